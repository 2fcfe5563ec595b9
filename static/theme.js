/* Applies the remembered colour theme before the page is painted, and says that scripts run. Loaded in <head>, blocking. */
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch { /* storage is switched off: the system's theme stays */ }
})();
