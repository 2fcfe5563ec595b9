"""Golden questions: writing and importing them, judging, running as a job, comparing, and who sees what."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.utils import timezone

from assistant.calibration.models import CorpusCalibration, RefusalJudgement
from assistant.calibration.services import set_risk
from assistant.golden import runs
from assistant.golden.automatic import queue_changed_runs
from assistant.golden.comparing import compare
from assistant.golden.editing import Draft, add_question, calibration_key, change_question, key_of, phrases_of
from assistant.golden.errors import GoldenError
from assistant.golden.importing import ImportRefusedError, import_questions
from assistant.golden.judging import Gate, judge
from assistant.golden.models import GoldenQuestion, GoldenResult, GoldenRun, RunState, Trigger
from assistant.golden.running import KILLER, UNSURE, work_golden_runs, work_on
from assistant.golden.runs import Claim, claim_run, queue_run, record_result, release, stop_run
from assistant.models import Answer, Conversation
from assistant.services import Manner, create_answer, record_feedback
from assistant.streams import run_now
from ingestion.models import Corpus, Document
from ingestion.services import narrow_document, update_corpus
from ingestion.worker import work_until_empty
from specialists.models import RoutingRule
from tests.assistant.pages import client_of, text_of
from tests.people import DISCOUNTS, LEAVE, People, add_text, make_corpora

LEAVE_QUESTION = "How many days of annual leave do employees get?"
DISCOUNT_QUESTION = "Who approves a discount above 15 percent?"
FIRST_DAY = """# First day

Bring these on day one:

1. An identity document.
2. Your signed contract.
3. A bank card.

Lunch is paid.
"""
REFUSAL_QUESTION = "What is the boiling point of mercury?"


@pytest.fixture
def handbook(people: People) -> Corpus:
    handbook, _ = make_corpora(people)
    return handbook


@pytest.fixture
def sales(people: People, handbook: Corpus) -> Corpus:
    return Corpus.objects.get(name="Sales")


def golden(corpus: Corpus, question: str, must_contain: str = "", document: str = "", expects: str = "answer") -> GoldenQuestion:
    draft = Draft(question, expects, phrases_of(must_contain), document)
    return add_question(corpus=corpus, draft=draft, created_by=corpus.owner)


def run_all(corpus: Corpus, **options: Any) -> GoldenRun:
    run = queue_run(corpus=corpus, asked_as=options.get("asked_as", corpus.owner), started_by=corpus.owner)
    while work_golden_runs():
        pass
    run.refresh_from_db()
    return run


# --- Judging ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expects", "phrases", "document", "state", "text", "cited", "right"),
    [
        ("answer", [["27 days"]], "", "answered", "You get 27 days.", [], True),
        ("answer", [["27 days"]], "", "answered", "You get 127 days.", [], False),
        ("answer", [["27 days", "twenty-seven days"]], "", "answered", "Twenty-Seven Days, in all.", [], True),
        ("answer", [["27 days"], ["full-time"]], "", "answered", "27 days.", [], False),
        ("answer", [], "leave.md", "answered", "Anything.", ["leave.md"], True),
        ("answer", [["27"]], "leave.md", "answered", "27", ["other.md"], False),
        ("answer", [["27"]], "", "abstained", "", [], False),
        ("answer", [["27"]], "", "failed", "27", [], False),
        ("refusal", [], "", "abstained", "", [], True),
        ("refusal", [], "", "answered", "Something.", [], False),
        ("refusal", [], "", "failed", "", [], False),
    ],
)
def test_it_judges_what_came_by_what_was_expected(
    expects: str, phrases: list[list[str]], document: str, state: str, text: str, cited: list[str], right: bool
) -> None:
    found = judge(expects=expects, must_contain=phrases, document_name=document, state=state, text=text, cited=cited)
    assert found.is_correct is right
    assert bool(found.problem) is not right


def test_it_passes_a_run_by_share_and_by_what_broke() -> None:
    gate = Gate(0.8, 1)
    assert gate.verdict(correct=8, total=10, broken=None)[0]
    assert gate.verdict(correct=8, total=10, broken=1)[0]
    assert not gate.verdict(correct=7, total=10, broken=0)[0]
    passed, sentence = gate.verdict(correct=9, total=10, broken=2)
    assert not passed
    assert sentence == "9 of 10 right (90%); at least 80% is asked for. 2 newly wrong; at most 1 may be."


# --- Writing and importing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("draft", "words"),
    [
        (Draft("  "), "Type a question"),
        (Draft("What?"), "Say what the answer must contain"),
        (Draft("What?", "answer", (("…",),)), "no word or number"),
        (Draft("What?", "answer", (), "gone.md"), "no document named “gone.md”"),
        (Draft("What?", "refusal", (("27",),)), "A refusal contains nothing"),
        (Draft("What?", "silence"), "answer or a refusal"),
        (Draft("What?", "answer", (("27",),), tags=("x" * 41,)), "tags"),
    ],
)
def test_it_refuses_a_question_that_cannot_be_judged(handbook: Corpus, draft: Draft, words: str) -> None:
    with pytest.raises(GoldenError) as caught:
        add_question(corpus=handbook, draft=draft, created_by=None)
    assert words in caught.value.public_message
    assert not GoldenQuestion.objects.exists()


def test_it_keeps_one_question_per_wording(handbook: Corpus) -> None:
    golden(handbook, "How many days?", "27")
    with pytest.raises(GoldenError, match="already_there"):
        golden(handbook, "how many  DAYS", "28")
    assert key_of("How many days?") == key_of("how many days")


@pytest.mark.django_db(transaction=True)
def test_it_imports_csv_and_json_lines_and_leaves_what_is_there(people: People) -> None:
    handbook, _ = make_corpora(people)
    add_text(handbook, "leave.md", LEAVE)
    table = (
        "\ufeffquestion;expects;must_contain;document;tags\n"
        f"{LEAVE_QUESTION};answer;27 days | twenty-seven days;leave.md;leave, numbers\n"
        f"{REFUSAL_QUESTION};refusal;;;\n"
    )
    assert import_questions(corpus=handbook, content=table.encode(), name="golden.csv", created_by=people.ada) == (2, 0)
    first = GoldenQuestion.objects.get(key=key_of(LEAVE_QUESTION))
    assert first.must_contain == [["27 days", "twenty-seven days"]]
    assert (first.document_name, first.tags, first.source) == ("leave.md", ["leave", "numbers"], "imported")
    lines = [
        {"question": LEAVE_QUESTION, "must_contain": ["28"]},
        {"question": "How long is parental leave?", "answers": ["18 weeks", "eighteen weeks"]},
        {"question": "What is the moon made of?", "answers": [], "is_impossible": True},
    ]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    assert import_questions(corpus=handbook, content=content, name="squad.jsonl", created_by=people.ada) == (2, 1)
    assert GoldenQuestion.objects.get(key=key_of(lines[1]["question"])).must_contain == [["18 weeks", "eighteen weeks"]]
    assert GoldenQuestion.objects.get(key=key_of(lines[2]["question"])).expects == "refusal"


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", b"question,must_contain\nHow many?,27\nWhy?,\n", "Line 3: Say what the answer must contain"),
        ("a.csv", b"question,must_contain\nHow many?,27\nhow many,28\n", "Line 3: The question stands in line 2 already."),
        ("a.csv", b"text,answer\nx,y\n", "Line 1: the header needs a column named question."),
        ("a.csv", b"question,must_contain\nHow many, really?,27,x\n", "Line 2: it has more fields than the header."),
        ("a.csv", b"question\n", "The file holds no questions."),
        ("a.csv", b"\xff\xfe\x00", "not UTF-8"),
        ("a.jsonl", b'{"question": "How many?", "must_contain": ["27"]}\n{"question": 3}\n', "Line 2: It is not an object"),
        ("a.jsonl", b'{"question": "How many?", "must": ["27"]}', "Line 1: “must” is not known here."),
        ("a.jsonl", b'{"question": "How many?", "must_contain": [{"a": 1}]}', "Line 1: Every phrase"),
        ("a.jsonl", b'{"question": "How many?", "document": "no.md"}', "Line 1: The corpus has no document named “no.md”."),
        ("a.jsonl", b'{"question": "How many?", "must_contain": ["27"], "tags": ["a \\ud83d"]}', "Line 1: A phrase or tag holds"),
        ("a.jsonl", b'{"question": "How many?", "must_contain": ["27\\u0000"]}', "Line 1: A phrase or tag holds"),
        ("a.jsonl", b"[1, 2]", "Line 1: It is not an object"),
    ],
)
def test_it_names_the_line_of_a_bad_file_and_imports_nothing(handbook: Corpus, name: str, content: bytes, problem: str) -> None:
    with pytest.raises(ImportRefusedError) as caught:
        import_questions(corpus=handbook, content=content, name=name, created_by=None)
    assert any(line.startswith(problem) or problem in line for line in caught.value.problems), caught.value.problems
    assert not GoldenQuestion.objects.exists()


# --- Running ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_it_asks_through_the_one_answer_path_and_leaves_no_conversation(people: People) -> None:
    handbook, _ = make_corpora(people)
    add_text(handbook, "leave.md", LEAVE)
    golden(handbook, LEAVE_QUESTION, "27 days", "leave.md")
    golden(handbook, REFUSAL_QUESTION, expects="refusal")
    golden(handbook, "How long is parental leave?", "nineteen weeks")
    run = run_all(handbook)
    assert (run.state, run.done, run.correct, run.passed) == (RunState.FINISHED, 3, 2, False)
    assert "2 of 3 right (67%)" in run.verdict
    leave, refusal, parental = run.results.all()
    assert (leave.is_correct, leave.is_cited, leave.outcome, leave.cited[0]["name"]) == (True, True, "answered", "leave.md")
    assert leave.latency_ms and leave.sentences[0]["documents"]
    assert (refusal.outcome, refusal.is_cited) == ("abstained", None)
    assert parental.problem == "The answer does not say “nineteen weeks”."
    assert not Conversation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_it_teaches_by_what_a_refused_answer_would_have_said(people: People) -> None:
    handbook, _ = make_corpora(people)
    add_text(handbook, "leave.md", LEAVE)
    add_text(handbook, "first-day.md", FIRST_DAY)
    set_risk(corpus=handbook, risk=0.01)  # no threshold keeps it, so everything is refused
    asked = {
        LEAVE_QUESTION: ("27 days", "leave.md", "answer", True),
        "How many days of leave do employees get?": ("27 days", "first-day.md", "answer", False),
        "How many days of annual leave?": ("nineteen", "", "answer", False),
        "How many days of annual leave do trainees get?": ("", "", "refusal", False),
        "Which documents must I bring on my first day?": (
            "identity document\nsigned contract\nbank card",
            "first-day.md",
            "answer",
            True,
        ),
        "What is on the first day?": ("", "first-day.md", "answer", None),  # any words of it would do: nothing is learnt
    }
    questions = [golden(handbook, text, *expected[:3]) for text, expected in asked.items()]
    run = run_all(handbook)
    assert [result.outcome for result in run.results.all()] == ["abstained"] * 6
    assert [result.problem == UNSURE for result in run.results.all()] == [True, False, False, False, True, False]
    taught = dict(RefusalJudgement.objects.values_list("key", "is_right"))
    assert [taught.get(calibration_key(question.pk)) for question in questions] == [expected[3] for expected in asked.values()]
    assert RefusalJudgement.objects.get(is_unanswerable=True).key == calibration_key(questions[3].pk)


@pytest.mark.django_db(transaction=True)
def test_it_teaches_nothing_by_a_question_that_was_changed_meanwhile(people: People) -> None:
    handbook, _ = make_corpora(people)
    add_text(handbook, "leave.md", LEAVE)
    question = golden(handbook, LEAVE_QUESTION, "26 days")
    queue_run(corpus=handbook, asked_as=handbook.owner, started_by=handbook.owner)
    change_question(question=question, draft=Draft(LEAVE_QUESTION, "answer", phrases_of("27 days")))
    work_golden_runs()
    assert not RefusalJudgement.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_it_reads_only_what_the_person_of_the_run_may_read(people: People) -> None:
    """Ben reads the corpus but not the narrowed document; Olga owns it. The same question, two scopes."""
    _, sales = make_corpora(people)
    add_text(sales, "discounts.md", DISCOUNTS, groups=[people.engineering])
    golden(sales, DISCOUNT_QUESTION, "regional sales director")
    assert run_all(sales).correct == 1
    as_ben = run_all(sales, asked_as=people.ben)
    assert as_ben.correct == 0
    assert as_ben.baseline is None, "a run with other rights is nothing to compare with"
    with pytest.raises(GoldenError, match="may not read this corpus"):
        queue_run(corpus=sales, asked_as=people.ada, started_by=people.ada)


@pytest.mark.django_db(transaction=True)
def test_it_compares_with_a_run_before_a_document_was_narrowed(people: People) -> None:
    handbook, _ = make_corpora(people)
    add_text(handbook, "leave.md", LEAVE)
    golden(handbook, LEAVE_QUESTION, "27 days")
    first = run_all(handbook)
    add_text(handbook, "salaries.md", "# Salaries\n\nNobody may read this.", groups=[people.engineering])
    people.ada.groups.add(people.engineering)
    assert run_all(handbook).baseline == first


@pytest.mark.django_db(transaction=True)
def test_it_fails_a_run_whose_person_lost_the_corpus(people: People) -> None:
    _, sales = make_corpora(people)
    add_text(sales, "discounts.md", DISCOUNTS)
    golden(sales, DISCOUNT_QUESTION, "regional sales director")
    run = queue_run(corpus=sales, asked_as=people.ben, started_by=None)
    people.ben.groups.clear()
    work_golden_runs()
    run.refresh_from_db()
    assert (run.state, run.done) == (RunState.FAILED, 0)
    assert "may not read this corpus" in run.error_message


@pytest.mark.django_db(transaction=True)
def test_it_says_what_broke_and_what_was_fixed(people: People) -> None:
    handbook, _ = make_corpora(people)
    document = add_text(handbook, "leave.md", LEAVE)
    golden(handbook, LEAVE_QUESTION, "27 days")
    golden(handbook, "How long is parental leave?", "20 weeks")
    first = run_all(handbook)
    assert (first.correct, first.broken, first.fixed) == (1, None, None)
    add_text(handbook, "leave.md", LEAVE.replace("27 days", "30 days").replace("18 weeks", "20 weeks"))
    second = run_all(handbook)
    assert (second.correct, second.broken, second.fixed, second.baseline) == (1, 1, 1, first)
    comparison = compare(first, second)
    assert [pair.change for pair in comparison.pairs] == ["broken", "fixed"]
    assert comparison.changed_parts == ("The documents changed",)
    assert document.pk in second.results.first().sentences[0]["documents"]  # type: ignore[union-attr]


def test_it_calls_a_question_new_when_its_expectation_changed(handbook: Corpus) -> None:
    """Made by hand: the rows as two runs leave them."""
    before, after = (GoldenRun.objects.create(corpus=handbook, trigger="manual", state=RunState.FINISHED) for _ in range(2))
    for run, phrase in ((before, "27"), (after, "28")):
        GoldenResult.objects.create(
            run=run, position=1, key="k", text="How many?", expects="answer", must_contain=[[phrase]], is_correct=phrase == "27"
        )
    assert sorted(pair.change for pair in compare(before, after).pairs) == ["gone", "new"]
    assert runs.count_changes(before, after) == (0, 0)


# --- The job ----------------------------------------------------------------------------------------------------------


def right() -> dict[str, Any]:
    return {"outcome": "answered", "is_correct": True}


def test_it_takes_up_the_run_of_a_dead_worker_where_it_stood(handbook: Corpus, people: People) -> None:
    for number in range(3):
        golden(handbook, f"Question {number}?", str(number))
    run = queue_run(corpus=handbook, asked_as=people.ada, started_by=None)
    claim = claim_run()
    assert claim is not None
    assert record_result(claim, runs.next_waiting(claim), right())  # type: ignore[arg-type]
    assert claim_run() is None, "its worker lives"
    GoldenRun.objects.update(lease_owner=claim.owner.replace(f":{claim.owner.split(':')[1]}:", ":999999999:"))
    again = claim_run()
    assert again is not None
    waiting = runs.next_waiting(again)
    assert waiting is not None
    assert waiting.position == 2
    assert not record_result(claim, waiting, right()), "the dead worker's claim is worth nothing"
    run.refresh_from_db()
    assert (run.done, run.correct, run.state) == (1, 1, RunState.RUNNING)


def test_it_takes_up_a_run_whose_lease_is_over(handbook: Corpus, people: People) -> None:
    golden(handbook, "Question?", "1")
    queue_run(corpus=handbook, asked_as=people.ada, started_by=None)
    assert claim_run() is not None
    GoldenRun.objects.update(lease_owner="another-host:1:x", lease_until=timezone.now() - timedelta(seconds=1))
    assert claim_run() is not None


@pytest.mark.django_db(transaction=True)
def test_it_passes_over_a_question_that_kills_its_worker(people: People) -> None:
    handbook, _ = make_corpora(people)
    golden(handbook, "Killer?", "1")
    golden(handbook, REFUSAL_QUESTION, expects="refusal")
    queue_run(corpus=handbook, asked_as=people.ada, started_by=None)
    for _ in range(runs.MAX_ATTEMPTS):
        assert claim_run() is not None
        GoldenRun.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    claim = claim_run()
    assert claim is not None
    work_on(claim)
    killer, refusal = GoldenResult.objects.all()
    assert (killer.outcome, killer.problem) == ("failed", KILLER)
    assert refusal.is_correct


def test_it_stops_at_once_and_keeps_what_was_asked(handbook: Corpus, people: People) -> None:
    golden(handbook, "Question 1?", "1")
    golden(handbook, "Question 2?", "2")
    run = queue_run(corpus=handbook, asked_as=people.ada, started_by=None)
    claim = claim_run()
    assert claim is not None
    record_result(claim, runs.next_waiting(claim), right())  # type: ignore[arg-type]
    assert stop_run(run=run)
    assert not record_result(claim, runs.next_waiting(claim), right())  # type: ignore[arg-type]
    runs.finish_run(claim)
    run.refresh_from_db()
    assert (run.state, run.done, run.passed) == (RunState.STOPPED, 1, None)
    assert not stop_run(run=run)


def test_it_gives_a_run_back_and_goes_on_with_it(handbook: Corpus, people: People) -> None:
    golden(handbook, "Question?", "1")
    queue_run(corpus=handbook, asked_as=people.ada, started_by=None)
    claim = claim_run()
    assert claim is not None
    release(claim)
    assert claim_run() is not None


def test_it_runs_one_at_a_time_and_nothing_without_questions(handbook: Corpus, people: People) -> None:
    with pytest.raises(GoldenError, match="no golden question"):
        queue_run(corpus=handbook, asked_as=people.ada, started_by=None)
    golden(handbook, "Question?", "1")
    queue_run(corpus=handbook, asked_as=people.ada, started_by=None)
    with pytest.raises(GoldenError, match="under way"):
        queue_run(corpus=handbook, asked_as=people.ada, started_by=None)


# --- By itself --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_it_asks_again_when_documents_weights_or_thresholds_change(people: People, monkeypatch: Any) -> None:
    handbook, _ = make_corpora(people)
    add_text(handbook, "leave.md", LEAVE)
    golden(handbook, LEAVE_QUESTION, "27 days")
    later = timezone.now() + timedelta(hours=1)
    assert queue_changed_runs(now=later) == [], "nobody has run them yet"
    run_all(handbook)
    assert queue_changed_runs(now=later) == [], "nothing has changed"

    add_text(handbook, "more.md", "# More\n\nThe canteen opens at noon.\n")
    assert queue_changed_runs() == [], "the documents have not come to rest"
    Document.objects.filter(source_name="more.md").update(state="queued")
    assert queue_changed_runs(now=later) == [], "one of them waits"
    Document.objects.filter(source_name="more.md").update(state="ready")
    (run,) = queue_changed_runs(now=later)
    assert (run.trigger, run.asked_as, run.started_by) == (Trigger.INDEX, handbook.owner, None)
    assert queue_changed_runs(now=later) == [], "it is queued already"
    while work_golden_runs():
        pass

    monkeypatch.setattr("assistant.golden.fingerprint._model", lambda: "other weights")
    (run,) = queue_changed_runs(now=later)
    assert run.trigger == Trigger.MODEL
    stop_run(run=run)
    assert queue_changed_runs(now=later) == [], "a person stopped it; the same change does not start it again"


def test_it_sees_changed_weights_and_thresholds_in_the_files(handbook: Corpus, settings: Any, tmp_path: Any) -> None:
    from assistant.golden.fingerprint import fingerprint_of, what_changed

    settings.BASE_DIR, settings.MODELS_DIR, settings.SPECIALISTS_DIR = (
        tmp_path,
        tmp_path / "models",
        tmp_path / "specialists/trained",
    )
    weights = tmp_path / "specialists/trained/reader/model.onnx"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"one")
    (tmp_path / "specialists/composer.json").write_text("{}")
    first = fingerprint_of(handbook)
    for name in ("checkpoint.safetensors", ".checkpoint.safetensors.tmp", "card.json"):
        (weights.parent / name).write_text("a training goes on there")
    assert what_changed(first, fingerprint_of(handbook)) is None
    weights.write_bytes(b"another")
    second = fingerprint_of(handbook)
    assert what_changed(first, second) == Trigger.MODEL
    (weights.parent / "refusal.json").write_text("{}")
    assert what_changed(second, fingerprint_of(handbook)) == Trigger.THRESHOLD
    (weights.parent / "refusal.json").unlink()
    (tmp_path / "specialists/composer.json").write_text('{"threshold": 0.4}')
    third = fingerprint_of(handbook)
    assert what_changed(second, third) == Trigger.THRESHOLD
    (tmp_path / "specialists/prompts.py").write_text("PROMPT = 2")
    assert what_changed(third, fingerprint_of(handbook)) == Trigger.PROMPT
    assert what_changed(third, third) is None
    fourth = fingerprint_of(handbook)
    RoutingRule.objects.create(position=1, condition="phrase", value="salary", tier="human")
    fifth = fingerprint_of(handbook)
    assert what_changed(fourth, fifth) == Trigger.THRESHOLD
    CorpusCalibration.objects.create(corpus=handbook, risk=0.05)
    assert what_changed(fifth, fingerprint_of(handbook)) == Trigger.THRESHOLD


# --- The command ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_it_gives_the_verdict_by_its_exit_status(people: People, capsys: Any) -> None:
    handbook, _ = make_corpora(people)
    add_text(handbook, "leave.md", LEAVE)
    with pytest.raises(CommandError, match="No corpus has golden questions"):
        call_command("run_golden")
    golden(handbook, LEAVE_QUESTION, "27 days", "leave.md")
    golden(handbook, "How long is parental leave?", "nineteen weeks")
    with pytest.raises(CommandError, match="Not good enough: Handbook"):
        call_command("run_golden", "--json")
    (figures,) = json.loads(capsys.readouterr().out)
    assert (figures["correct"], figures["total"], figures["passed"]) == (1, 2, False)
    assert figures["wrong"][0]["problem"] == "The answer does not say “nineteen weeks”."
    call_command("run_golden", "--corpus", "Handbook", "--fail-below", "50")
    with pytest.raises(CommandError, match="no corpus named"):
        call_command("run_golden", "--corpus", "Nothing")
    update_corpus(corpus=handbook, name="Handbook", description="", owner=people.ada, groups=[people.sales])
    with pytest.raises(CommandError, match="may not read this corpus"):
        call_command("run_golden", "--as", "cy")


@pytest.mark.django_db(transaction=True)
def test_the_command_goes_on_with_a_run_whose_worker_has_gone(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    handbook, _ = make_corpora(people)
    add_text(handbook, "leave.md", LEAVE)
    golden(handbook, LEAVE_QUESTION, "27 days", "leave.md")
    tries: list[int] = []

    def claim_at_the_second_try(*, only: GoldenRun) -> Claim | None:
        tries.append(only.pk)
        return claim_run(only=only) if len(tries) > 1 else None

    monkeypatch.setattr("assistant.management.commands.run_golden.claim_run", claim_at_the_second_try)
    monkeypatch.setattr("assistant.management.commands.run_golden.POLL_S", 0)
    call_command("run_golden", "--corpus", "Handbook")
    assert GoldenRun.objects.get().state == "finished"


# --- The pages, and who sees what -------------------------------------------------------------------------------------


def test_it_is_typed_in_changed_and_deleted_on_the_pages(people: People, sales: Corpus) -> None:
    olga = client_of(people.olga)
    base = f"/manage/corpora/{sales.slug}/golden/"
    page = olga.post(base + "new", {"question": DISCOUNT_QUESTION, "expects": "answer", "must_contain": "", "document": ""})
    assert page.status_code == 422
    assert "Say what the answer must contain" in page.content.decode()
    form = {"question": DISCOUNT_QUESTION, "expects": "answer", "must_contain": "sales director | director\n15", "tags": "a, b"}
    assert olga.post(base + "new", form).status_code == 302
    row = GoldenQuestion.objects.get()
    assert (row.must_contain, row.tags, row.created_by) == ([["sales director", "director"], ["15"]], ["a", "b"], people.olga)
    assert DISCOUNT_QUESTION in text_of(olga, base)
    assert olga.post(f"{base}questions/{row.pk}/", {**form, "question": "Who approves?"}).status_code == 302
    exported = json.loads(olga.get(base + "export").content.decode())
    assert exported["question"] == "Who approves?"
    assert olga.post(f"{base}questions/{row.pk}/delete").status_code == 302
    assert not GoldenQuestion.objects.exists()


def test_it_imports_what_it_exports(people: People, sales: Corpus) -> None:
    golden(sales, "How much?", "15 | fifteen\nregional")
    golden(sales, "Why?", expects="refusal")
    olga = client_of(people.olga)
    base = f"/manage/corpora/{sales.slug}/golden/"
    content = olga.get(base + "export").content
    before = list(GoldenQuestion.objects.values_list("question", "expects", "must_contain"))
    GoldenQuestion.objects.all().delete()
    assert olga.post(base + "import", {"file": SimpleUploadedFile("golden.jsonl", content)}).status_code == 302
    assert list(GoldenQuestion.objects.values_list("question", "expects", "must_contain")) == before
    refused = olga.post(base + "import", {"file": SimpleUploadedFile("x.jsonl", b'{"question": 1}')})
    assert refused.status_code == 422
    assert "Line 1" in refused.content.decode()


@pytest.mark.django_db(transaction=True)
def test_it_hides_expectations_and_answers_of_documents_that_the_viewer_may_not_read(people: People) -> None:
    """Ada administers the handbook's corpus here and reads it, but one of its documents is for Sales alone."""
    handbook, _ = make_corpora(people)
    update_corpus(corpus=handbook, name="Handbook", description="", owner=people.olga, groups=None)
    handbook.refresh_from_db()
    document = add_text(handbook, "discounts.md", DISCOUNTS)
    golden(handbook, DISCOUNT_QUESTION, "regional sales director", "discounts.md")
    run = run_all(handbook)
    assert run.correct == 1
    base = f"/manage/corpora/{handbook.slug}/golden/"
    pages = [base, f"{base}runs/{run.pk}/", f"{base}compare", f"{base}export"]
    ada = client_of(people.ada)
    assert "regional sales director" in text_of(ada, pages[1])
    narrow_document(document=document, groups=[people.sales])
    work_until_empty()
    again = run_all(handbook)
    pages.append(f"{base}compare?before={run.pk}&after={again.pk}")
    for url in pages:
        assert "regional sales director" not in text_of(ada, url), url
    assert client_of(people.ada).get(f"{base}questions/{GoldenQuestion.objects.get().pk}/").status_code == 404
    assert "regional sales director" in text_of(client_of(people.olga), pages[1])


def test_it_offers_no_comparison_of_a_single_run(people: People) -> None:
    handbook, _ = make_corpora(people)
    add_text(handbook, "discounts.md", DISCOUNTS)
    golden(handbook, DISCOUNT_QUESTION, "regional sales director", "discounts.md")
    url, ada = f"/manage/corpora/{handbook.slug}/golden/compare", client_of(people.ada)
    first = run_all(handbook)
    alone = text_of(ada, url)
    assert "There are no two finished runs yet" in alone and "<select" not in alone
    second = run_all(handbook)
    for query in ("", f"?after={first.pk}"):  # the first has none before it, and is beside the second
        shown = text_of(ada, url + query)
        assert f'value="{first.pk}" selected' in shown and f'value="{second.pk}" selected' in shown


def test_it_shows_the_golden_pages_to_no_administrator_outside_the_audience(people: People, sales: Corpus) -> None:
    row = golden(sales, DISCOUNT_QUESTION, "regional sales director")
    run = queue_run(corpus=sales, asked_as=people.olga, started_by=None)
    base = f"/manage/corpora/{sales.slug}/golden/"
    for url in (base, base + "new", base + "import", base + "export", base + "compare", f"{base}runs/{run.pk}/"):
        text_of(client_of(people.olga), url)
        text_of(client_of(people.ada), url, status=404)
    assert client_of(people.ada).post(f"{base}questions/{row.pk}/delete").status_code == 404
    assert client_of(people.ada).post(f"{base}runs/{run.pk}/stop").status_code == 404
    assert "Golden questions" not in text_of(client_of(people.ada), f"/manage/corpora/{sales.slug}/")


@pytest.mark.django_db(transaction=True)
def test_it_makes_a_golden_question_from_ones_own_answer(people: People) -> None:
    _, sales = make_corpora(people)
    add_text(sales, "discounts.md", DISCOUNTS)

    def asked_by(person: Any) -> Answer:
        row = create_answer(user=person, question=DISCOUNT_QUESTION)
        run_now(row)
        row.refresh_from_db()
        return row

    own = asked_by(people.olga)
    olga = client_of(people.olga)
    url = f"/answers/{own.pk}/golden"
    assert url in text_of(olga, f"/conversations/{own.conversation_id}/")
    form = text_of(olga, url)
    assert "regional sales director" in form
    data = {
        "corpus": sales.pk,
        "question": DISCOUNT_QUESTION,
        "expects": "answer",
        "must_contain": "director",
        "document": "discounts.md",
    }
    assert olga.post(url, data).status_code == 302
    assert GoldenQuestion.objects.get().source == "feedback"
    bens = asked_by(people.ben)
    assert "/golden" not in text_of(client_of(people.ben), f"/conversations/{bens.conversation_id}/")
    text_of(client_of(people.ben), f"/answers/{bens.pk}/golden", status=404)
    text_of(olga, f"/answers/{bens.pk}/golden", status=404)


@pytest.mark.django_db(transaction=True)
def test_it_offers_reported_questions_to_who_reads_their_documents(people: People) -> None:
    handbook, sales = make_corpora(people)
    add_text(sales, "discounts.md", DISCOUNTS)
    row = create_answer(user=people.ben, question=DISCOUNT_QUESTION)
    run_now(row)
    row.refresh_from_db()
    record_feedback(answer=row, user=people.ben, verdict="not_helpful")
    olga, base = client_of(people.olga), f"/manage/corpora/{sales.slug}/golden/"
    assert DISCOUNT_QUESTION not in text_of(olga, base), "a thumb alone shows nothing"
    feedback = record_feedback(answer=row, user=people.ben, verdict="not_helpful", reason="outdated", comment="It is 20 now.")
    assert "It is 20 now." in text_of(olga, base)
    assert DISCOUNT_QUESTION not in text_of(client_of(people.ada), f"/manage/corpora/{handbook.slug}/golden/")
    assert "The source is outdated" in text_of(olga, f"{base}new?reported={feedback.pk}")
    data = {"question": DISCOUNT_QUESTION, "expects": "answer", "must_contain": "director"}
    assert olga.post(f"{base}new?reported={feedback.pk}", data).status_code == 302
    assert GoldenQuestion.objects.get().source == "feedback"
    assert "It is 20 now." not in text_of(olga, base), "it is golden now"


def test_it_hides_internal_conversations_from_their_person(people: People) -> None:
    row = create_answer(user=people.ben, question="Golden?", manner=Manner(is_internal=True))
    ben = client_of(people.ben)
    assert "Golden?" not in text_of(ben, "/")
    text_of(ben, f"/conversations/{row.conversation_id}/", status=404)
    text_of(ben, f"/answers/{row.pk}/", status=404)
