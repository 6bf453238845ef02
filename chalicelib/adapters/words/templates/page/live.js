(() => {
  const main = document.getElementById("main"), said = document.getElementById("said");
  const at = main.dataset.at;
  let wait = 4000, tag = main.dataset.tag, typed = "typed" in main.dataset;
  document.addEventListener("input", () => { typed = true; });
  const look = async () => {
    try {
      const answer = await fetch(at, { headers: { "If-None-Match": tag }, cache: "no-store" });
      if (answer.status === 200) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.getElementById("main");
        wait = 4000;
        if (!fresh?.dataset.tag) { location.replace(at); return; }
        if (fresh.dataset.tag !== tag) {
          said.textContent = main.dataset.changed;
          if (typed) { document.getElementById("stale").hidden = false; tag = fresh.dataset.tag; }
          else { main.replaceChildren(...fresh.childNodes); tag = main.dataset.tag = fresh.dataset.tag; }
        }
      } else if (answer.status === 404 || answer.status === 410) { location.replace(at); return; }
    } catch { /* The network is away: the next look comes later. */ }
    wait = Math.min(wait * 1.5, 60000);
    setTimeout(next, wait);
  };
  const next = () => { if (document.hidden) document.addEventListener("visibilitychange", look, { once: true }); else look(); };
  setTimeout(next, wait);
})();
