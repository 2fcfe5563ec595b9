// The document beside a conversation, or on its own page: shows the evidence, keeps focus while stepping, says what failed.
(() => {
  let stepped = "";

  function showEvidence() {
    const evidence = document.getElementById("evidence-1");
    if (!evidence) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    evidence.scrollIntoView({ block: "center", inline: "start", behavior: calm ? "auto" : "instant" });
  }

  document.addEventListener("click", (event) => {
    stepped = event.target.closest("[data-evidence]")?.dataset.evidence ?? "";
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    if (!event.target.querySelector?.("[data-document-panel]") && !event.target.matches?.("[data-document-panel]")) return;
    showEvidence();
    const again = stepped && (document.querySelector(`[data-evidence="${stepped}"]`) ?? document.querySelector("[data-evidence]"));
    if (again) again.focus({ preventScroll: true });
    stepped = "";
  });

  // A picture that cannot be made is answered with a sentence; the page's text is shown in its place.
  async function explain(picture) {
    const frame = picture.parentElement;
    const page = frame.closest(".pdf-page");
    const response = await fetch(picture.src).catch(() => null);
    const isSentence = response?.status === 422 && response.headers.get("Content-Type")?.startsWith("text/plain");
    frame.textContent = isSentence ? await response.text() : "This page cannot be shown as a picture. Its text is below.";
    frame.classList.add("broken");
    const text = page.querySelector("details");
    if (text) text.open = true;
  }

  document.addEventListener("error", (event) => {
    if (event.target.matches?.(".pdf-picture img")) explain(event.target);
  }, true);

  addEventListener("load", () => {
    for (const picture of document.querySelectorAll(".pdf-picture img")) {
      if (picture.complete && picture.currentSrc && !picture.naturalWidth) explain(picture);
    }
  });
  addEventListener("DOMContentLoaded", showEvidence);
})();
