/* The chat: composer keys, following an answer, evidence cards, copying, and the document panel. */
(() => {
  const byId = (id) => document.getElementById(id);
  let composer, question, message, picker; // of the page, until another composer takes their place
  const thread = byId("thread");
  const panel = byId("panel");

  /* --- the composer --- */
  function checkLength() {
    if (!question) return true;
    const length = question.value.replace(/\s+/g, " ").trim().length;
    const limit = Number(question.dataset.limit);
    if (length > limit) message.textContent = `${length.toLocaleString()} of ${limit.toLocaleString()} characters: shorten it`;
    else message.textContent = length > limit * 0.9 ? `${length.toLocaleString()} of ${limit.toLocaleString()} characters` : "";
    composer.querySelector(".send").disabled = length > limit;
    if (!CSS.supports("field-sizing", "content")) {
      question.style.height = "auto";
      question.style.height = `${question.scrollHeight}px`;
    }
    return length > 0 && length <= limit;
  }

  function edit(text) {
    question.value = text;
    checkLength();
    question.focus();
    question.setSelectionRange(text.length, text.length);
  }

  function takeComposer() {
    [composer, question, message] = [byId("composer"), byId("question"), byId("composer-message")];
    picker = document.querySelector("[data-corpora]");
    if (picker) { picker.addEventListener("change", showChosen); showChosen(); }
    if (!question) return;
    question.addEventListener("input", checkLength);
    question.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (checkLength() && !composer.querySelector(".send").disabled) composer.requestSubmit();
    });
  }

  function showChosen() {
    const chosen = [...picker.querySelectorAll("input:checked")];
    const label = picker.querySelector("[data-label]");
    const name = chosen.length === 1 ? chosen[0].closest("label").textContent.trim() : `${chosen.length} corpora`;
    label.textContent = chosen.length === 0 ? label.dataset.label : name;
  }
  takeComposer();

  /* A conversation that was deleted elsewhere answers with the composer of a new one, in which the question stands. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig } = event.detail;
    if (xhr.status !== 404 || xhr.getResponseHeader("HX-Retarget") !== "#composer") return;
    const typed = requestConfig.elt === composer ? "" : question.value; // a button asked: what is being typed stays
    Object.assign(event.detail, { shouldSwap: true, isError: false });
    document.addEventListener("htmx:afterSettle", () => {
      const said = byId("composer-message").textContent;
      takeComposer();
      edit(typed || question.value);
      message.textContent = said;
    }, { once: true });
  });

  /* --- new turns and answers that arrive --- */
  function showLastTurn(behavior) {
    const turn = thread?.lastElementChild;
    const scroller = byId("scroller");
    if (!turn || !scroller) return;
    const block = turn.offsetHeight > scroller.clientHeight - 60 ? "start" : "end";
    turn.scrollIntoView({ block, behavior });
  }

  function countQuestions() {
    const count = thread.querySelectorAll(".turn").length;
    byId("question-count").textContent = `${count} question${count === 1 ? "" : "s"}`;
  }

  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, successful, target } = event.detail;
    if (!successful || target !== thread) return;
    message.textContent = "";
    if (elt === composer) { composer.reset(); checkLength(); question.focus(); }
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target === thread) { isFollowing = true; countQuestions(); showLastTurn("smooth"); }
    if (event.detail.target === panel) { rememberSource(event.detail.pathInfo.requestPath); showEvidence(event.detail.pathInfo.requestPath); }
  });
  let isFollowing = true;
  for (const type of ["wheel", "touchmove"]) byId("scroller")?.addEventListener(type, () => { isFollowing = false; }, { passive: true });
  document.addEventListener("htmx:sseMessage", () => { if (isFollowing) showLastTurn("auto"); });
  document.addEventListener("htmx:load", (event) => {
    if (isFollowing && event.target.matches("article") && thread?.lastElementChild.contains(event.target)) showLastTurn("auto");
  });

  /* A broken stream is not resumed, which would repeat sentences: the answer is fetched, as it is by now. */
  function fetchAnswer(article, wait) {
    setTimeout(async () => {
      if (!article.isConnected) return;
      try {
        const response = await fetch(article.dataset.answer, { headers: { "HX-Request": "true" } });
        if (response.status === 401 || response.status === 404) { window.say("This answer can no longer be followed. Reload the page."); return; }
        if (!response.ok) throw new Error(String(response.status));
        window.htmx.swap(article, await response.text(), { swapStyle: "outerHTML" });
      } catch {
        article.querySelector(".steps [role=status]")?.replaceChildren("The server cannot be reached. Your question is kept; trying again");
        fetchAnswer(article, Math.min(wait * 2, 30000));
      }
    }, wait);
  }
  document.addEventListener("htmx:sseError", (event) => {
    const article = event.target;
    if (!article.hasAttribute("sse-connect")) return;
    article.removeAttribute("sse-connect");
    event.detail.source.close();
    fetchAnswer(article, 1000);
  });

  /* --- evidence: the card of a number, and the document at the right --- */
  let openCard = null;
  function hideCard() {
    if (openCard?.isConnected) openCard.hidePopover();
    openCard = null;
  }
  function showCard(chip) {
    const card = byId(chip.dataset.card);
    if (!card || card === openCard) return;
    hideCard();
    card.showPopover();
    const at = chip.getBoundingClientRect();
    const left = Math.min(Math.max(12, at.left - 20), window.innerWidth - card.offsetWidth - 12);
    const above = at.top - card.offsetHeight - 8;
    card.style.left = `${left}px`;
    card.style.top = `${above > 8 ? above : Math.min(at.bottom + 8, window.innerHeight - card.offsetHeight - 8)}px`;
    openCard = card;
  }
  for (const [type, isShown] of [["mouseover", true], ["focusin", true], ["mouseout", false], ["focusout", false]]) {
    document.addEventListener(type, (event) => {
      const chip = event.target.closest?.("[data-card]");
      if (!chip) return;
      if (isShown && !(type === "mouseover" && matchMedia("(hover: none)").matches)) showCard(chip);
      else if (!isShown) hideCard();
    });
  }
  document.addEventListener("scroll", hideCard, true);

  const EVIDENCE = "a.cite, a.source, .source.places a";
  let opener = null, awaited = null; // awaited: the request for the last source; what comes once the panel is closed opens nothing
  function showEvidence(path) {
    hideCard();
    for (const link of document.querySelectorAll(EVIDENCE)) link.classList.toggle("on", link.getAttribute("href") === path);
    byId("document-title")?.focus({ preventScroll: true });
  }
  const isAtSource = () => location.pathname.includes("/citations/"); // one step, which Back undoes; htmx would fetch the page again
  const rememberSource = (path) => (isAtSource() ? history.replaceState(history.state, "", path) : history.pushState({ isSource: true }, "", path));
  document.addEventListener("htmx:beforeRequest", ({ detail }) => { if (detail.target === panel) awaited = detail.xhr; });
  document.addEventListener("htmx:beforeSwap", ({ detail }) => { if (detail.target === panel) detail.shouldSwap &&= detail.xhr === awaited; });
  function closePanel(address) {
    awaited = null; panel.replaceChildren(); // at once: whoever presses the key twice must not go back twice
    for (const link of document.querySelectorAll(EVIDENCE)) link.classList.remove("on");
    if (isAtSource()) history.state?.isSource ? history.back() : history.replaceState(null, "", address);
    if (opener?.isConnected) opener.focus();
  }
  addEventListener("popstate", () => {
    if (panel?.querySelector(".doc")) { if (!isAtSource()) closePanel(); }
    else if (isAtSource()) window.htmx.ajax("GET", location.pathname, { target: panel, swap: "innerHTML" });
  });
  /* --- copying --- */
  async function copy(text, done) {
    try { await navigator.clipboard.writeText(text); window.say(done, 3); }
    catch { window.say("The browser does not let this page copy. Select the text and copy it."); }
  }
  function answerText(article) {
    const sentences = [...article.querySelectorAll(".sentence, .lead")].map((sentence) => {
      if (sentence.matches(".lead")) return sentence.textContent;
      const numbers = [...sentence.querySelectorAll(".cite")].map((chip) => ` [${chip.textContent}]`);
      return sentence.querySelector(".s").textContent + numbers.join("");
    });
    const sources = [...article.querySelectorAll("a.source, .source.places a")].map((source) => {
      const card = source.closest(".source");
      const place = source === card ? "" : `, ${source.lastChild.textContent}`;
      return `[${source.querySelector(".cite").textContent}] ${card.querySelector("b").textContent}${place}, ${card.querySelector("small").textContent}`;
    });
    return `${sentences.join(" ")}\n\n${sources.join("\n")}`;
  }

  document.addEventListener("click", (event) => {
    const on = (selector) => event.target.closest(selector);
    const evidence = on(EVIDENCE);
    if (evidence) opener = evidence;
    else if (on("[data-close-panel]")) { event.preventDefault(); closePanel(on("[data-close-panel]").getAttribute("href")); }
    else if (on("[data-edit]")) edit(on("[data-edit]").dataset.edit);
    else if (on("[data-copy]")) copy(answerText(on("article")), "The answer is copied, with its sources.");
    else if (on("[data-copy-from]")) copy(byId(on("[data-copy-from]").dataset.copyFrom).value, "The link is copied.");
  });

  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input, textarea, select");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && question) { event.preventDefault(); question.focus(); }
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog:modal")) return;
    const stop = [...document.querySelectorAll("[data-stop]")].at(-1);
    if (openCard) hideCard();
    else if (stop) stop.click();
    else if (panel?.querySelector(".doc")) closePanel(panel.querySelector("[data-close-panel]")?.getAttribute("href"));
  });

  if (panel?.querySelector(".doc")) opener = document.querySelector("a.cite.on");
  if (opener) opener.closest(".turn").scrollIntoView({ block: "start" });
  else if (!location.hash) showLastTurn("instant");
})();
