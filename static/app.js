/* Behaviour that all pages share: theme, menus, the side drawer, confirmations, and what went wrong. Driven by data-* attributes. */
(() => {
  const root = document.documentElement;
  const notice = document.getElementById("notice");
  let noticeTimer = 0;

  window.say = (text, seconds = 6) => {
    notice.textContent = text;
    clearTimeout(noticeTimer);
    noticeTimer = setTimeout(() => { notice.textContent = ""; }, seconds * 1000);
  };

  function showTheme() {
    const theme = root.dataset.theme || "auto";
    for (const button of document.querySelectorAll("[data-set-theme]")) button.setAttribute("aria-pressed", String(button.dataset.setTheme === theme));
  }

  function setTheme(theme) {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    try { localStorage.setItem("theme", theme); } catch { /* storage is off: the choice lasts as long as the page */ }
    showTheme();
  }

  function openSide(isOpen) {
    const side = document.getElementById("side");
    if (!side || side.classList.contains("open") === isOpen) return;
    side.classList.toggle("open", isOpen);
    if (isOpen) side.querySelector("a, button").focus();
    else document.querySelector("[data-open-side]")?.focus();
  }

  function closeMenus(except) {
    for (const menu of document.querySelectorAll("details.menu[open]")) menu.open &&= menu.contains(except);
  }

  /* A dialog keeps the focus and gives it back; without a script it is a popover. Which conversation it changes, its button says. */
  function openDialog(button) {
    const dialog = document.getElementById(button.getAttribute("popovertarget"));
    const title = dialog.querySelector("[name=title]"), menu = button.closest("details.menu");
    if (button.popoverTargetAction === "hide") { dialog.close(); return; }
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); } // where the focus returns
    dialog.showModal();
    for (const name of ["rename", "delete"]) if (button.dataset[name]) dialog.querySelector(`[data-${name}-form]`).action = button.dataset[name];
    if (title) { title.value = button.dataset.title; title.select(); }
  }

  document.addEventListener("click", (event) => {
    closeMenus(event.target);
    const [opener, theme] = ["[popovertarget]", "[data-set-theme]"].map((selector) => event.target.closest(selector));
    if (opener) { event.preventDefault(); openDialog(opener); }
    if (theme) setTheme(theme.dataset.setTheme);
    if (event.target.closest("[data-open-side]")) { event.preventDefault(); openSide(true); }
    else if (!event.target.closest("#side") || event.target.closest("[data-close-side]")) {
      if (event.target.closest("[data-close-side]")) event.preventDefault();
      openSide(false);
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || document.querySelector("dialog:modal")) return;
    const menu = document.querySelector("details.menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); event.preventDefault(); }
    else if (document.querySelector("#side.open")) { openSide(false); event.preventDefault(); }
  });

  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });

  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    if (status === 404) window.say("This is no longer there, or you may no longer see it. Reload the page.");
    else if (status === 403) window.say("The page was open for too long. Reload it and try again.");
    else if (status !== 401) window.say("The server could not do this. Try again; if it happens again, tell an administrator.");
  });
  document.addEventListener("htmx:sendError", () => window.say("The server does not answer. Check your connection and try again."));

  showTheme();
})();
