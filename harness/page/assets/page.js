"use strict";
// Replaces the parts of the page that the server says have changed, and shows logs as they are written. What comes from
// an environment is HTML that the server's templates have escaped, or text that is set as textContent.
(() => {
  const live = document.getElementById("live");
  const gone = document.getElementById("gone");
  const AGAIN_MS = 1000;
  const parts = [...document.querySelectorAll("[data-part]")];

  /** Fetch a part again; what is asked for while it is on its way is fetched once more afterwards. */
  const under = new Map();
  async function refresh(part) {
    if (under.has(part)) { under.set(part, true); return; }
    under.set(part, false);
    try {
      const answer = await fetch(part.dataset.address, { headers: { Accept: "text/html" } });
      const text = await answer.text();
      if (answer.ok) replace(part, text);
      else if (part.getAttribute("aria-busy") === "true") part.firstElementChild.textContent = text;
    } catch {
      // the server has ended, or the machine's networks have changed, which ends all requests of a browser
      setTimeout(() => refresh(part), AGAIN_MS);
    }
    const again = under.get(part);
    under.delete(part);
    if (again) await refresh(part);
  }

  /** Put new content into a part; the focus stays where it was, on the element that stands for the same. */
  function replace(part, html) {
    const held = part.contains(document.activeElement) ? document.activeElement : null;
    const key = held && (held.id || held.dataset.log || held.getAttribute("href") || held.getAttribute("aria-label"));
    part.innerHTML = html;
    part.removeAttribute("aria-busy");
    if (!key) return;
    const same = [...part.querySelectorAll("a, button, [tabindex]")].find((element) =>
      [element.id, element.dataset.log, element.getAttribute("href"), element.getAttribute("aria-label")].includes(key));
    same?.focus({ preventScroll: true });
  }

  const say = (text, state) => {
    live.textContent = text;
    live.className = `state state-${state}`;
  };

  const events = new EventSource("/events");
  events.addEventListener("ready", () => {
    say("live", "success");
    // from now on each change is told: what is fetched now is not too old to be corrected
    parts.forEach((part) => refresh(part));
  });
  events.addEventListener("changed", (event) => {
    const name = JSON.parse(event.data);
    parts.forEach((part) => { if ([part.dataset.part, part.dataset.also].includes(name)) refresh(part); });
  });
  events.addEventListener("gone", (event) => {
    say("does not answer", "failed");
    gone.querySelector(".lead").textContent = JSON.parse(event.data);
    gone.hidden = false;
  });
  events.addEventListener("back", () => {
    say("live", "success");
    gone.hidden = true;
    parts.forEach((part) => refresh(part));
  });
  events.onerror = () => say("no connection to the page's server", "failed");
  addEventListener("pagehide", () => events.close());

  let log = null;
  function follow(button) {
    const section = document.getElementById("log");
    const text = document.getElementById("log-text");
    const state = document.getElementById("log-state");
    log?.close();
    text.textContent = "";
    document.getElementById("log-task").textContent = button.dataset.name;
    state.textContent = "streaming";
    section.hidden = false;
    text.focus();
    const stream = log = new EventSource(button.dataset.log);
    stream.addEventListener("log", (event) => {
      const below = text.scrollHeight - text.scrollTop - text.clientHeight < 40;
      text.append(JSON.parse(event.data));
      if (below) text.scrollTop = text.scrollHeight;
    });
    const end = (words) => { state.textContent = words; stream.close(); };
    stream.addEventListener("end", (event) => end(JSON.parse(event.data) || "ended"));
    stream.addEventListener("problem", (event) => end(JSON.parse(event.data)));
    // the browser connects again by itself, and gets the log from its beginning
    stream.onopen = () => { text.textContent = ""; state.textContent = "streaming"; };
    stream.onerror = () => { state.textContent = stream.readyState === EventSource.CLOSED ? "interrupted" : "connecting"; };
  }

  /** Show a result below the list, which may be replaced meanwhile; the same link takes it away. */
  function show(link) {
    const section = link.closest("section");
    const open = section.querySelector("iframe");
    open?.remove();
    if (open?.src === link.href) return;
    const frame = Object.assign(document.createElement("iframe"), { src: link.href, title: link.dataset.frame });
    frame.className = "result";
    frame.setAttribute("sandbox", "");
    section.append(frame);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-log]");
    if (button) follow(button);
    const link = event.target.closest("a[data-frame]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); show(link); }
  });
})();
