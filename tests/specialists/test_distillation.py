"""A student learns what its teacher answers, where that is cited, supported and not against what is recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from specialists.compression.distilling import Distillation, distil
from specialists.compression.lessons import (
    AGAINST,
    ANSWERED,
    CUT,
    ELSEWHERE,
    EMPTY,
    REFUSED,
    UNSUPPORTED,
    Lessons,
    Teacher,
    make_lessons,
)
from specialists.errors import SpecialistError
from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.rows import Row, RowPassage, render_row, rows_sha256
from specialists.finetuning.training import Told
from specialists.language_models.folders import ModelFolder, read_model_folder
from specialists.language_models.local_folder import LocalFolder
from specialists.language_models.types import End, Message, Piece
from specialists.prompting import NO_ANSWER, SYSTEM
from tests.tiny_language_model import make_model, make_pupil, make_unread_model

pytestmark = pytest.mark.usefixtures("one_core")

LEAVE = RowPassage(3, "Leave", "Staff get 27 days of paid leave a year. Unused days expire on 31 March. They are not paid out.")
TRAVEL = RowPassage(7, "Travel", "A hotel may cost up to 120 euros a night. Flights are booked by the office.")
RECORDED = "Staff get 27 days of paid leave a year."
DAYS = Row("How many days of leave are there?", (LEAVE, TRAVEL), RECORDED, 3)
NOTHING = Row("Who cleans the windows?", (TRAVEL,), "", 7)


class Scripted:
    """Says these things one after the other."""

    name, window, adapters = "scripted", 4096, ()

    def __init__(self, *texts: str, reason: str = "stop") -> None:
        self.texts, self.reason, self.asked = list(texts), reason, 0

    def generate(self, messages: Sequence[Message], *, most_tokens: int, adapter: str = "") -> Iterator[Piece | End]:
        yield Piece(self.texts[self.asked])
        self.asked += 1
        yield End(self.reason, 300, 9)

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def warm_up(self) -> None: ...


def learn(row: Row, text: str, folder: Path, reason: str = "stop") -> Lessons:
    return make_lessons(Teacher(Scripted(text, reason=reason), "sha"), [row], None, folder / "answers.jsonl")


@pytest.mark.parametrize(
    ("row", "text", "why"),
    [
        (DAYS, NO_ANSWER, REFUSED),
        (NOTHING, "A hotel may cost up to 120 euros a night [1].", ANSWERED),
        (DAYS, "Staff get 30 days of paid leave a year [1].", UNSUPPORTED),
        (DAYS, "Staff get 27 days of paid leave a year [2].", UNSUPPORTED),
        (DAYS, "Staff get 27 days of paid leave a year.", UNSUPPORTED),
        (DAYS, "It is so [1].", EMPTY),
        (DAYS, "A hotel may cost up to 120 euros a night [2].", ELSEWHERE),
        (DAYS, "Unused days expire on 31 March [1].", AGAINST),
    ],
)
def test_an_answer_that_is_not_to_be_learnt_is_left_out_and_counted(row: Row, text: str, why: str, tmp_path: Path) -> None:
    assert learn(row, text, tmp_path) == Lessons((), {why: 1})


def test_an_answer_that_turns_round_what_is_recorded_is_left_out(tmp_path: Path) -> None:
    new = RowPassage(3, "Leave", "Unused days are not paid out at the end of the year.")
    old = RowPassage(9, "Leave of 2019", "Unused days are paid out at the end of the year.")
    row = Row("Are unused days paid out?", (new, old), new.text, 3)

    both = "Unused days are not paid out at the end of the year [1]. Unused days are paid out at the end of the year [2]."
    assert learn(row, both, tmp_path).left_out == {AGAINST: 1}
    assert learn(row, "Unused days are not paid out at the end of the year [1].", tmp_path / "other").left_out == {}


def test_an_answer_that_was_cut_is_left_out(tmp_path: Path) -> None:
    assert learn(DAYS, "Staff get 27 days of paid leave a year [1].", tmp_path, reason="length").left_out == {CUT: 1}


def test_what_is_learnt_is_the_teachers_words_with_its_citations_under_the_numbers_that_the_student_sees(tmp_path: Path) -> None:
    said = "Here it is: Staff get 27 days of paid leave [1]. Flights are booked by the office [2]."
    (row,) = learn(DAYS, said, tmp_path).rows
    (refused,) = learn(NOTHING, NO_ANSWER, tmp_path / "other").rows

    assert row.cited == ((3,), (7,)) and row.answer.endswith("\nFlights are booked by the office.")
    assert refused == NOTHING
    assert (
        completion(row, window=2000) == "Here it is: Staff get 27 days of paid leave. [1]\nFlights are booked by the office. [2]"
    )
    assert completion(row, window=210) == NO_ANSWER  # the second passage does not fit
    assert rows_sha256([row]) != rows_sha256([DAYS]) and rows_sha256([refused]) == rows_sha256([NOTHING])


def completion(row: Row, *, window: int) -> str:
    return render_row(row, count_tokens=lambda text: len(text.split()), window=window, most_tokens=20).completion


def test_what_the_teacher_has_answered_is_not_asked_again(tmp_path: Path) -> None:
    file, said = tmp_path / "answers.jsonl", "Staff get 27 days of paid leave a year [1]."
    first, second = Scripted(said, NO_ANSWER), Scripted(NO_ANSWER, said)
    with pytest.raises(SpecialistError) as stopped:
        make_lessons(Teacher(first, "sha"), [DAYS, NOTHING, DAYS], None, file, on_row=lambda: first.asked < 1)
    assert (stopped.value.code, first.asked) == ("stopped", 1)
    file.write_text(file.read_text() + '["half a li')

    lessons = make_lessons(Teacher(second, "sha"), [DAYS, NOTHING, DAYS], None, file)

    assert (second.asked, len(lessons.rows)) == (2, 3)
    other = Scripted(*[NO_ANSWER] * 3)
    make_lessons(Teacher(other, "another"), [DAYS, NOTHING, DAYS], None, file)
    assert other.asked == 3


# --- The student ------------------------------------------------------------------------------------------------------

SAYS = "Wait for the manager of the warehouse. [1]"
THINGS = ("leave", "parking", "badges", "laptops", "keys", "chairs", "lamps", "pens")
ROWS = [
    Row(
        f"What about {thing} {floor}?",
        (RowPassage(place, thing.title(), "Wait for the manager of the warehouse."),),
        "Wait for the manager of the warehouse.",
        place,
    )
    for floor in range(4)  # more than the twenty that are needed: so small a teacher stutters now and then
    for place, thing in enumerate(THINGS, start=10 * floor)
]
RECIPE = FinetuneRecipe(epochs=12, batch=6, learning_rate=1e-2, r=16, lora_alpha=32, dropout=0.0, window=1024)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    folder = make_model(tmp_path_factory.mktemp("teacher") / "teacher-tiny", SAYS, knows=SYSTEM, lengths=(20, 200, 400))
    return read_model_folder(folder)


def said(folder: ModelFolder, row: Row) -> str:
    model = LocalFolder(folder=str(folder.path), device="cpu")
    messages = render_row(row, count_tokens=model.count_tokens, window=model.window, most_tokens=40).prompt.messages
    return "".join(piece.text for piece in model.generate(messages, most_tokens=40) if isinstance(piece, Piece))


@pytest.mark.slow
def test_a_student_with_the_same_tokens_learns_words_and_scores_and_goes_on_where_it_was_stopped(
    teacher: ModelFolder, tmp_path: Path
) -> None:
    student = read_model_folder(make_unread_model(tmp_path / "student-tiny"))
    run = Distillation(teacher, None, student, RECIPE, tmp_path / "models" / "taught", "cpu")
    steps: list[int] = []
    asked: list[int] = []
    with pytest.raises(SpecialistError):
        distil(run, ROWS, None, on_row=lambda: bool(asked.append(1)) or len(asked) < 10)
    with pytest.raises(SpecialistError):
        distil(run, ROWS, None, on_row=lambda: bool(asked.append(1)) or True, report=lambda told: told.step < 20)

    def count(told: Told) -> bool:
        steps.append(told.step)
        return True

    made = distil(run, ROWS, None, on_row=lambda: False, report=count)

    learnt = len(made.lessons.rows)
    assert (len(asked), steps[0], steps[-1]) == (len(ROWS), 21, RECIPE.epochs * -(-learnt // RECIPE.batch))
    assert made.has_scores and learnt + sum(made.lessons.left_out.values()) == len(ROWS)
    assert said(made.folder, ROWS[0]) != said(student, ROWS[0])
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["taught"]


def test_a_student_with_other_tokens_learns_words_alone_and_too_few_answers_teach_nobody(
    teacher: ModelFolder, tmp_path: Path
) -> None:
    student = read_model_folder(make_pupil(tmp_path / "pupil-tiny", ["Wait for the manager of the warehouse."]))
    recipe = FinetuneRecipe(epochs=1, batch=24, window=1024)

    made = distil(Distillation(teacher, None, student, recipe, tmp_path / "taught", "cpu"), ROWS, None)
    assert not made.has_scores

    wrong = [*ROWS[:10], *[Row(row.question, row.passages, "", row.gold) for row in ROWS[10:]]]
    with pytest.raises(SpecialistError, match=r"answers \d+ can be learnt from, and 20 are needed"):
        distil(Distillation(teacher, None, student, recipe, tmp_path / "other", "cpu"), wrong, None)


def test_the_further_loss_is_nothing_where_the_student_scores_as_its_teacher(teacher: ModelFolder, tmp_path: Path) -> None:
    from specialists.compression.guiding import ScoresOfTeacher, shared_tokens
    from specialists.finetuning.encoding import encode_rows
    from specialists.finetuning.losses import scores_of
    from specialists.language_models.chat import Chat
    from specialists.language_models.loading import load_network

    student = read_model_folder(make_unread_model(tmp_path / "student-tiny"))
    chats = [Chat(folder.path) for folder in (teacher, student)]
    tokens = shared_tokens(*chats, ROWS, 1024)
    rows = encode_rows(ROWS[:3], chats[0], 1024)
    networks = [load_network(folder, device="cpu", quantisation="") for folder in (teacher, student)]
    guide = ScoresOfTeacher(networks[0], tokens, "teacher")

    losses = [float(guide.loss(rows, *scores_of(network, rows, "cpu"), "cpu")) for network in networks]

    assert tokens == len(chats[0].vocabulary())
    assert losses[0] == pytest.approx(0.0, abs=1e-4) and losses[1] > 1.0
