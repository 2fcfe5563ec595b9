/* The chat in a frame. It asks as the person of the session, or of the token that the page around it hands over when it is asked;
   a token is kept in this script alone, and goes nowhere but into the header of its own requests. */
(() => {
  const { body } = document;
  const byId = (id) => document.getElementById(id);
  const origins = body.dataset.origins.split(" ");
  const main = byId("chat");
  let around = null; // the page around the frame: its port and its origin, as the browser tells it
  let settings = { corpora: "", hasTokens: false };
  let token = "";
  let asked = null; // a promise of a token, and who keeps it
  let keep = null;
  let conversation = "";
  try { conversation = sessionStorage.getItem("widget-conversation") || ""; } catch { /* storage is off: it begins anew */ }

  /* --- the page around --- */
  window.addEventListener("message", ({ source, origin, data, ports }) => {
    if (source !== window.parent || source === window || !origins.includes(origin) || data?.type !== "intramural" || !ports[0]) return;
    around = { port: ports[0], origin };
    around.port.onmessage = ({ data: told }) => {
      if (told === "opened") byId("question")?.focus();
      else if (typeof told?.token === "string") keep?.(told.token);
    };
    settings = { corpora: String(data.corpora), hasTokens: data.hasTokens === true };
    byId("title").textContent = String(data.label);
    if (data.theme === "light" || data.theme === "dark") document.documentElement.dataset.theme = data.theme;
    document.querySelector("[data-close]").hidden = false;
    load();
  });

  function askForToken() {
    asked ||= new Promise((resolve) => {
      const giveUp = setTimeout(() => keep(""), 10000);
      keep = (given) => { clearTimeout(giveUp); asked = null; resolve(given); };
      around.port.postMessage("token");
    });
    return asked;
  }

  async function request(address, form = null, isAgain = false) {
    const headers = {};
    if (settings.hasTokens) {
      token ||= await askForToken();
      headers.Authorization = `Bearer ${token}`;
      headers["X-Widget-Origin"] = around.origin;
    } else if (form) headers["X-CSRFToken"] = byId("composer").dataset.secret;
    const credentials = settings.hasTokens ? "omit" : "same-origin";
    const response = await fetch(address, { method: form ? "POST" : "GET", body: form, headers, credentials, cache: "no-store" });
    if (response.status !== 401 || !settings.hasTokens || isAgain) return response;
    token = "";
    return request(address, form, true);
  }

  /* --- what is shown --- */
  async function load() {
    const query = new URLSearchParams({ corpora: settings.corpora, conversation });
    try {
      const response = await request(`${body.dataset.chat}?${query}`);
      if (response.status === 401) { showTemplate("signed-out"); return; }
      if (!response.ok) throw new Error(String(response.status));
      main.innerHTML = await response.text();
      remember(byId("thread"));
      main.removeAttribute("aria-busy");
      for (const article of main.querySelectorAll("[data-stream]")) follow(article);
      showLast();
      byId("question")?.focus();
    } catch { showTemplate("broken"); }
  }

  function showTemplate(id) {
    const wasThere = main.dataset.template === id;
    main.replaceChildren(byId(id).content.cloneNode(true));
    main.dataset.template = id;
    main.removeAttribute("aria-busy");
    const still = main.querySelector(".still");
    if (still) still.hidden = !wasThere;
  }

  function remember(element) {
    conversation = element.dataset.conversation || "";
    try { sessionStorage.setItem("widget-conversation", conversation); } catch { /* storage is off */ }
    document.querySelector("[data-new]").hidden = !conversation;
    document.querySelector("[data-whole]").href = element.dataset.whole || "/";
  }

  const showLast = () => byId("thread")?.lastElementChild?.scrollIntoView({ block: "end" });

  function put(html, inPlaceOf) {
    const made = document.createElement("template");
    made.innerHTML = html;
    const [element] = made.content.children;
    inPlaceOf.replaceWith(element);
    return element;
  }

  async function ask(question) {
    const form = new FormData();
    for (const [name, value] of Object.entries({ question, conversation, corpora: settings.corpora })) form.set(name, value);
    const send = main.querySelector(".send");
    const message = byId("composer-message");
    send.disabled = true;
    message.textContent = "";
    try {
      const response = await request(byId("composer").action, form);
      if (response.status === 401) showTemplate("signed-out");
      else if (response.status === 404 && conversation) {
        conversation = "";
        message.textContent = "This conversation was deleted. Send your question to ask it in a new one.";
      } else if (!response.ok) message.textContent = response.status === 422 ? await response.text() : "The question could not be sent. Try again.";
      else {
        main.querySelector(".greeting")?.remove();
        byId("thread").insertAdjacentHTML("beforeend", await response.text());
        byId("question").value = "";
        remember(byId("thread").lastElementChild);
        showLast();
        follow(byId("thread").lastElementChild.querySelector("article"));
      }
    } catch { message.textContent = "The server does not answer. Try again."; }
    send.disabled = false;
    byId("question")?.focus();
  }

  /* --- an answer as it is made --- */
  async function follow(article) {
    try {
      const response = await request(article.dataset.stream);
      if (!response.ok) throw new Error(String(response.status));
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        text += piece.value;
        for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
          take(article, text.slice(0, end));
          text = text.slice(end + 2);
        }
      }
    } catch { /* the record has it */ }
    if (article.isConnected) fetchAnswer(article, 1000);
  }

  function take(article, frame) {
    const lines = frame.split("\n");
    const html = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
    if (lines[0] === "event: step") article.querySelector("[data-step]").innerHTML = html;
    else if (lines[0] === "event: sentence") article.querySelector("[data-sentences]").insertAdjacentHTML("beforeend", html);
    else if (lines[0] === "event: done") put(html, article);
    showLast();
  }

  function fetchAnswer(article, wait) {
    setTimeout(async () => {
      try {
        const response = await request(article.dataset.answer);
        if (response.status === 401) { showTemplate("signed-out"); return; }
        if (response.status === 404) { load(); return; } // deleted elsewhere
        const now = response.ok ? put(await response.text(), article) : article;
        if (now.isConnected && now.dataset.stream) fetchAnswer(now, Math.min(wait * 2, 30000));
      } catch { fetchAnswer(article, Math.min(wait * 2, 30000)); }
    }, wait);
  }

  /* --- the quote behind a number --- */
  let card = null;
  function showCard(chip) {
    card?.hidePopover();
    card = chip && byId(chip.dataset.card);
    if (!card) return;
    card.showPopover();
    const at = chip.getBoundingClientRect();
    const above = at.top - card.offsetHeight - 8;
    card.style.left = `${Math.max(8, Math.min(at.left - 20, window.innerWidth - card.offsetWidth - 8))}px`;
    card.style.top = `${above > 8 ? above : Math.min(at.bottom + 8, window.innerHeight - card.offsetHeight - 8)}px`;
  }
  for (const [type, isShown] of [["mouseover", true], ["focusin", true], ["mouseout", false], ["focusout", false]]) {
    document.addEventListener(type, ({ target }) => {
      const chip = target.closest?.("[data-card]");
      if (chip) showCard(isShown ? chip : null);
    });
  }
  document.addEventListener("scroll", () => showCard(null), true);

  async function press(button) {
    const form = new FormData();
    if (button.dataset.verdict) form.set("verdict", button.dataset.verdict);
    if (button.name) form.set(button.name, button.value);
    const response = await request(button.dataset.post, form).catch(() => null);
    const target = main.querySelector(button.dataset.into);
    if (!response?.ok || !target) return;
    const now = put(await response.text(), target);
    (now.querySelector(".pill, [aria-pressed=true]") || now.querySelector("button"))?.focus();
    now.querySelector(".reasons")?.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("click", ({ target }) => {
    const on = (selector) => target.closest(selector);
    if (on("[data-ask]")) ask(on("[data-ask]").dataset.ask);
    else if (on("[data-post]")) press(on("[data-post]"));
    else if (on("[data-again]")) load();
    else if (on("[data-new]")) { conversation = ""; load(); }
    else if (on("[data-close]")) around?.port.postMessage("close");
  });
  document.addEventListener("submit", (event) => { event.preventDefault(); ask(byId("question").value); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") around?.port.postMessage("close");
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.target !== byId("question")) return;
    event.preventDefault();
    if (!main.querySelector(".send").disabled) byId("composer").requestSubmit();
  });
  window.addEventListener("focus", () => { if (main.querySelector(".signed-out")) load(); });
  if (window.parent === window) load(); // opened by itself
})();
