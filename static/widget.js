/* Puts the chat into a page of the intranet: a button, and a panel with the product's own chat in a frame.
   <script src="https://HOST/widget.js" defer></script>, with data-label, -corpora, -position, -theme, -token-url or -token.
   The frame is told nothing by its address; a token goes to it alone, by a channel that only it can answer. */
(() => {
  const { dataset: options, src } = document.currentScript;
  const home = new URL(src).origin;
  const label = options.label || "Ask the documents";
  const scheme = { light: "light", dark: "dark" }[options.theme] || "light dark";
  const side = options.position === "left" ? "left" : "right";
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { all: initial; color-scheme: ${scheme}; position: fixed; z-index: 2147483000; ${side}: 20px; bottom: 20px; font: 550 15px/1 system-ui, sans-serif; }
    [hidden] { display: none !important; }
    button { display: inline-flex; gap: 9px; align-items: center; min-height: 46px; max-width: calc(100vw - 40px); padding: 0 18px; border: 0; border-radius: 99px; font: inherit; cursor: pointer;
      background: light-dark(#0f5c4d, #5cc2a8); color: light-dark(#fff, #06251e); box-shadow: 0 2px 6px rgb(0 0 0 / .14), 0 10px 28px rgb(0 0 0 / .18); }
    button:hover { background: light-dark(#0b4a3e, #77d0b9); }
    button:focus-visible { outline: 2px solid light-dark(#0f5c4d, #5cc2a8); outline-offset: 3px; }
    svg { flex: none; width: 18px; height: 18px; fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linejoin: round; }
    div { position: fixed; ${side}: 20px; bottom: 20px; width: min(400px, calc(100vw - 40px)); height: min(640px, calc(100dvh - 40px)); overflow: hidden; border-radius: 16px;
      border: 1px solid light-dark(#c9c4b9, #4a4843); background: light-dark(#f7f6f3, #161615); box-shadow: 0 2px 8px rgb(0 0 0 / .12), 0 24px 64px rgb(0 0 0 / .24); }
    iframe { display: block; width: 100%; height: 100%; border: 0; color-scheme: ${scheme}; }
    @media (max-width: 480px) { div { inset: 0; width: auto; height: auto; border: 0; border-radius: 0; } }
    @media print { :host { display: none; } }`);

  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  icon.setAttribute("viewBox", "0 0 18 18");
  icon.setAttribute("aria-hidden", "true");
  icon.append(document.createElementNS("http://www.w3.org/2000/svg", "path"));
  icon.firstChild.setAttribute("d", "M3 3.5h12a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1H9l-3.5 3v-3H3a1 1 0 0 1-1-1v-8a1 1 0 0 1 1-1z");
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-haspopup", "dialog");
  button.setAttribute("aria-expanded", "false");
  button.append(icon, label);
  const panel = document.createElement("div");
  panel.setAttribute("role", "dialog");
  panel.setAttribute("aria-label", label);
  panel.hidden = true;
  const host = document.createElement("intramural-widget");
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [sheet];
  root.append(button, panel);

  let frame = null;
  let port = null;

  async function freshToken() {
    if (!options.tokenUrl) return options.token || "";
    const address = new URL(options.tokenUrl, location.href);
    if (address.origin !== location.origin) throw new Error("data-token-url must be an address of this page's own server.");
    const response = await fetch(address, { headers: { Accept: "application/json" }, credentials: "same-origin", cache: "no-store" });
    return response.ok ? (await response.json()).token || "" : "";
  }

  async function hear({ data }) {
    if (data === "close") show(false);
    else if (data === "token") {
      const answering = port;
      try { answering.postMessage({ token: await freshToken() }); }
      catch (error) { console.error(error); answering.postMessage({ token: "" }); }
    }
  }

  /* At each load of the frame, which may have been loaded again: only a page of the product's origin receives this. */
  function greet() {
    const channel = new MessageChannel();
    port?.close();
    port = channel.port1;
    port.onmessage = hear;
    const told = { type: "intramural", label, corpora: options.corpora || "", theme: options.theme || "", hasTokens: Boolean(options.tokenUrl || options.token) };
    frame.contentWindow.postMessage(told, home, [channel.port2]);
  }

  function show(isOpen) {
    if (isOpen && !frame) {
      frame = document.createElement("iframe");
      frame.title = label;
      frame.referrerPolicy = "no-referrer";
      frame.allow = "";
      frame.addEventListener("load", greet);
      frame.src = `${home}/widget/`;
      panel.append(frame);
    }
    panel.hidden = !isOpen;
    button.hidden = isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) button.focus();
    else { frame.focus(); port?.postMessage("opened"); }
  }

  button.addEventListener("click", () => show(true));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !panel.hidden) show(false); });
  document.body.append(host);
})();
