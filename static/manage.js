// The owner's pages: files and folders dropped or chosen, dialogs, and rows that move without closing an open menu.
(() => {
  const MAX_FILES = 8;
  const MAX_BYTES = 24 * 1024 * 1024;
  const LANES = 3;
  const JUNK = /^(\.|~\$|thumbs\.db$|desktop\.ini$)/i;
  const form = document.querySelector("[data-upload]");
  const report = document.getElementById("upload-report");
  const refresh = () => document.body.dispatchEvent(new CustomEvent("documents-changed"));

  // --- Upload ---------------------------------------------------------------------------------------------------------
  const queue = [];
  let lanes = 0;
  let refreshed = 0;
  let progress = null;

  const counted = (count, word) => `${count.toLocaleString("en-GB")} ${word}`;

  const fresh = (refused) => ({ total: 0, done: 0, left: 0, outcomes: { added: 0, changed: 0, unchanged: 0, refused: 0 }, refused });

  function start(files) {
    if (!files.length) return;
    if (!lanes) progress = fresh(progress?.refused ?? []); // what was refused before stays until the report is closed
    const limit = Number(form.dataset.maxBytes);
    for (const item of files) {
      if (item.path.split("/").some((part) => JUNK.test(part))) { progress.left += 1; continue; }
      progress.total += 1;
      if (item.file.size > limit) finish(item.path, "refused", `The file is larger than ${limit / 1048576} MB. Split it and upload the parts.`);
      else queue.push(item);
    }
    show();
    while (lanes < LANES && queue.length) run();
  }

  function take() {
    const batch = [];
    let bytes = 0;
    while (queue.length && batch.length < MAX_FILES && (!batch.length || bytes + queue[0].file.size <= MAX_BYTES)) {
      bytes += queue[0].file.size;
      batch.push(queue.shift());
    }
    return batch;
  }

  async function run() {
    lanes += 1;
    while (queue.length) {
      const batch = take();
      try {
        const files = await send(batch);
        files.forEach((file) => finish(file.name, file.outcome, file.message));
      } catch (error) {
        batch.forEach((item) => finish(item.path, "refused", error.message));
      }
      show();
      if (Date.now() - refreshed > 1500) { refreshed = Date.now(); refresh(); }
    }
    lanes -= 1;
    if (!lanes) { refresh(); show(); }
  }

  async function send(batch) {
    const body = new FormData();
    body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    body.append("tags", form.elements.tags.value);
    for (const item of batch) { body.append("paths", item.path); body.append("files", item.file); }
    const headers = { Accept: "application/json" };
    const response = await fetch(form.action, { method: "POST", body, headers }).catch(() => null);
    if (!response) throw new Error("It could not be sent. Choose it again: what has arrived is skipped.");
    if (response.redirected || response.status === 403) throw new Error("You are signed out. Reload the page, sign in, and choose it again.");
    if (!response.ok) throw new Error("The server could not take it. Choose it again, or tell your administrator.");
    return (await response.json()).files;
  }

  function finish(name, outcome, message) {
    progress.done += 1;
    progress.outcomes[outcome] += 1;
    if (outcome === "refused") progress.refused.push({ name, message });
  }

  function element(tag, text, attributes = {}) {
    const made = Object.assign(document.createElement(tag), attributes);
    if (text) made.textContent = text;
    return made;
  }

  function show() {
    const isOver = progress.done === progress.total && !lanes;
    const { added, changed, unchanged, refused } = progress.outcomes;
    const parts = [[added, "added"], [changed, "changed"], [unchanged, "unchanged, skipped"], [refused, "refused"], [progress.left, progress.left === 1 ? "system file left out" : "system files left out"]];
    const words = parts.filter(([count]) => count).map(([count, word]) => counted(count, word)).join(", ") || "nothing to upload";
    const head = element("header");
    head.append(element("span", isOver ? `Upload finished: ${words}.` : `Uploading ${progress.done} of ${counted(progress.total, progress.total === 1 ? "file" : "files")}`));
    if (isOver) head.append(element("button", "Close", { type: "button", className: "btn small", onclick: close }));
    report.replaceChildren(head);
    if (!isOver) report.append(element("progress", "", { className: "meter", max: progress.total, value: progress.done }));
    if (progress.refused.length) report.append(refusals());
    report.hidden = false;
  }

  function refusals() {
    const list = element("ul");
    for (const { name, message } of progress.refused) {
      const item = element("li");
      item.append(element("b", name), element("small", message));
      list.append(item);
    }
    return list;
  }

  function close() { progress = null; report.hidden = true; report.replaceChildren(); }

  // --- Files and folders ----------------------------------------------------------------------------------------------
  async function walk(entry, found) {
    if (entry.isFile) {
      const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
      if (file) found.push({ file, path: entry.fullPath.replace(/^\//, "") });
      return found;
    }
    const reader = entry.createReader();
    for (;;) { // a reader gives at most a hundred entries at a time
      const entries = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
      if (!entries.length) return found;
      for (const inner of entries) await walk(inner, found);
    }
  }

  function listen() {
    for (const input of form.querySelectorAll('input[type="file"]')) {
      input.disabled = false;
      input.addEventListener("change", () => {
        start([...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
        input.value = "";
      });
    }
    const isFiles = (event) => event.dataTransfer?.types.includes("Files");
    document.addEventListener("dragover", (event) => {
      if (!isFiles(event)) return;
      event.preventDefault();
      form.classList.add("over");
    });
    document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) form.classList.remove("over"); });
    document.addEventListener("drop", async (event) => {
      if (!isFiles(event)) return;
      event.preventDefault();
      form.classList.remove("over");
      const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
      const plain = entries.length ? [] : [...event.dataTransfer.files].map((file) => ({ file, path: file.name }));
      for (const entry of entries) await walk(entry, plain);
      start(plain);
    });
    addEventListener("beforeunload", (event) => { if (lanes) event.preventDefault(); });
  }
  if (form) listen();

  // --- Dialogs and menus ----------------------------------------------------------------------------------------------
  const dialog = document.getElementById("dialog");

  document.addEventListener("click", (event) => {
    const item = event.target.closest("#documents .menu .item");
    if (item) {
      const menu = item.closest("details");
      menu.querySelector("summary").focus(); // where focus returns when a dialog closes
      setTimeout(() => { menu.open = false; });
    }
    if (dialog?.open && event.target.closest("[data-close-dialog]")) { event.preventDefault(); dialog.close(); }
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target === dialog && !dialog.open) dialog.showModal();
  });
  document.addEventListener("dialog-done", () => dialog?.close());

  document.addEventListener("toggle", (event) => { // a menu near the lower edge opens upwards
    const items = event.target.matches?.("#documents .menu[open]") && event.target.querySelector(".drop-down");
    if (items) items.classList.toggle("above", items.getBoundingClientRect().bottom > innerHeight);
  }, true);

  const hasOpenMenu = (target) => Boolean(target.querySelector?.("details.menu[open]"));
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    if (event.detail.target.matches("tr") && hasOpenMenu(event.detail.target)) event.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.matches("[data-documents]") && hasOpenMenu(event.target)) event.preventDefault();
  });
})();
