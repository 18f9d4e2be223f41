// What all tabs share: building elements, asking the server, following a job, before and after.
window.sfumato = (() => {
  "use strict";

  /** An element: h("button", {class: "a", onclick: f, "aria-label": "b"}, child, "text", …) */
  function h(tag, given = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(given)) {
      if (value === undefined || value === null || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  }

  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

  /** A reason to be shown as it is. */
  class Problem extends Error {
    constructor(sentence, more = {}) {
      super(sentence);
      Object.assign(this, more);
    }
  }

  const UNREACHED = "The server does not answer; is it still running?";

  /** The server's functions (page_calls.py), with uploads made as they are needed. */
  class Desk {
    constructor(server, upload) {
      this.server = server;
      this.upload = upload;
      this.uploaded = new WeakMap();
    }

    async call(name, given) {
      let answer;
      try {
        answer = await this.server[name](given);
      } catch {
        throw new Problem(UNREACHED);
      }
      if (!answer || typeof answer !== "object") throw new Problem(UNREACHED);
      if (answer.problem) throw new Problem(sentence(answer.problem), answer);
      return answer;
    }

    /** Hands in a job. Files: {part, name, file: Blob} or {part, name, data: base64}. Its id. */
    async ask(kind, order, files) {
      for (let attempt = 0; ; attempt++) {
        const sent = await Promise.all(files.map((file) => this.send(file)));
        try {
          return (await this.call("ask", { kind, order, files: sent })).id;
        } catch (problem) {
          if (!problem.gone || attempt) throw problem; // swept away on the server: send it again
          for (const { file } of files) if (file) this.uploaded.delete(file);
        }
      }
    }

    async send({ part, name, file, data }) {
      if (data) return { part, name, data };
      if (!this.uploaded.has(file)) {
        const named = new File([file], name, { type: file.type });
        this.uploaded.set(file, this.upload(named).then(({ path }) => path, () => null));
      }
      const path = await this.uploaded.get(file);
      if (path === null) {
        this.uploaded.delete(file);
        throw new Problem(`${name} could not be sent; it may be larger than the server takes.`);
      }
      return { part, name, path };
    }

    /** Waits for a job; `told` hears how it stands. What it made, or a Problem. */
    async follow(id, told = () => {}) {
      for (let pause = 120; ; pause = Math.min(1.25 * pause, 800)) {
        const job = (await this.call("look", { ids: [id] }))[id];
        if (!job) throw new Problem("The job is no longer here; ask again.");
        told(job);
        if (job.state === "done") return job;
        if (job.state === "failed") throw new Problem(sentence(job.message));
        if (job.state === "cancelled") throw new Problem("Cancelled.", { cancelled: true });
        await sleep(pause);
      }
    }

    async run(kind, order, files, told) {
      return this.follow(await this.ask(kind, order, files), told);
    }

    /** A small file of a job as a data URL. */
    async fetch(id, name = "result") {
      return (await this.call("fetch", { id, name })).url;
    }

    /** A file of a job, to show and to download: here, so that it stays when the server forgets. */
    async offer(id, name = "result") {
      return this.take((await this.call("offer", { id, name })).path);
    }

    /** What the server offers at a path, as {url, ending}; whoever shows it revokes the URL. */
    async take(path) {
      const answer = await fetch(address(path)).catch(() => null);
      if (!answer?.ok) throw new Problem(UNREACHED);
      return { url: URL.createObjectURL(await answer.blob()), ending: path.split(".").pop() };
    }

    end(id, keep = false) {
      return this.call("end", { id, keep }).catch(() => {});
    }
  }

  const root = () => (window.gradio_config?.root ?? "").replace(/\/$/, "");
  const address = (path) => `${root()}/gradio_api/file=${encodeURI(path)}`;

  /** A sentence with a full stop, and with a capital letter unless a file's name begins it. */
  function sentence(text) {
    const line = String(text).split("\n")[0].trim();
    const named = /^\S*[.\d]/.test(line);
    const whole = named ? line : line.charAt(0).toUpperCase() + line.slice(1);
    return /[.!?]$/.test(whole) ? whole : `${whole}.`;
  }

  const STAGES = {
    inspect: "Looking",
    "": "Starting", find: "Finding what to paint", stylize: "Painting", compose: "Blending",
    optimise: "Optimising", cut: "Cutting out", spot: "Looking for a place", lay: "Placing",
    colour: "Matching colours", manner: "Painting", surface: "Matching the surface",
    shadow: "Casting a shadow", fade: "Fading",
  };

  function seconds(number) {
    if (number < 1.5) return "a second";
    if (number < 90) return `${Math.round(number)} s`;
    return `${Math.round(number / 60)} min`;
  }

  /** How a job stands, in words. */
  function words(job) {
    if (job.state === "waiting") {
      return job.waiting > 1 ? `Waiting in line (${job.waiting} wait)` : "Waiting in line";
    }
    const stage = STAGES[job.stage] ?? "Working";
    if (job.left === null || job.left === undefined) return `${stage} … ${seconds(job.ran)} so far`;
    if (job.left < 0.5) return `${stage} … a moment longer than usual`;
    return `${stage} … about ${seconds(job.left)} left`;
  }

  /** The line under a picture: what is going on, how far it is, and how to end it. */
  class Line {
    constructor(idle) {
      this.text = h("p", { class: "sf-text" }, idle);
      this.spoken = h("p", { class: "sf-unseen", role: "status", "aria-live": "polite" });
      this.bar = h("progress", { max: "1", value: "0", "aria-label": "Progress" });
      this.keep = h("button", { type: "button", class: "sf-button", hidden: true }, "Stop and keep");
      this.cancel = h("button", { type: "button", class: "sf-button", hidden: true }, "Cancel");
      this.element = h(
        "div", { class: "sf-line" }, this.text, this.keep, this.cancel, this.bar, this.spoken,
      );
      this.say(idle);
    }

    /** Something to read; `kind`: "problem" or nothing. */
    say(text, kind = "") {
      this.said = (this.said ?? 0) + 1; // tells whoever waits whether something else was said
      this.text.textContent = text;
      this.text.dataset.kind = kind;
      if (this.spoken.textContent !== text) this.spoken.textContent = text;
      this.bar.value = 0;
      this.bar.classList.remove("sf-busy");
      this.keep.hidden = this.cancel.hidden = true;
    }

    /** A job goes on; `end(keep)` ends it. */
    begin(end, keepable = false) {
      this.cancel.hidden = false;
      this.keep.hidden = !keepable;
      this.cancel.disabled = this.keep.disabled = false;
      const press = (keep) => () => {
        this.cancel.disabled = this.keep.disabled = true;
        this.text.textContent = keep ? "Stopping at the next step …" : "Cancelling …";
        end(keep);
      };
      this.cancel.onclick = press(false);
      this.keep.onclick = press(true);
      this.stage = undefined;
    }

    show(job) {
      if (job.state !== "waiting" && job.state !== "running") return;
      if (!this.cancel.disabled) this.text.textContent = words(job);
      this.text.dataset.kind = "";
      const stage = job.state === "waiting" ? "Waiting in line" : STAGES[job.stage] ?? "Working";
      if (stage !== this.stage) this.spoken.textContent = stage; // not every second: stages only
      this.stage = stage;
      if (typeof job.share === "number") this.bar.value = job.share;
      this.bar.classList.toggle("sf-busy", typeof job.share !== "number");
    }
  }

  /** Before and after, with a slider that fingers and keys move. */
  class Compare {
    constructor() {
      this.before = h("img", { alt: "Before" });
      this.after = h("img", { class: "sf-after", alt: "After" });
      this.slider = h("input", {
        type: "range", min: "0", max: "100", step: "1", value: "50",
        "aria-label": "How much of the picture is shown as it was before",
        oninput: () => this.place(),
      });
      this.rule = h("span", { class: "sf-rule", "aria-hidden": "true" });
      this.element = h(
        "div", { class: "sf-compare", hidden: true }, this.before, this.after, this.rule, this.slider,
      );
      this.place();
    }

    place() {
      this.element.style.setProperty("--cut", `${this.slider.value}%`);
    }

    /** Loads both before it shows them, so that nothing flickers. */
    async show(before, after) {
      for (const [image, url] of [[this.before, before], [this.after, after]]) {
        if (image.getAttribute("src") !== url) image.src = url;
      }
      await Promise.all([this.before.decode(), this.after.decode()].map((one) => one.catch(() => {})));
      this.element.hidden = false;
    }

    hide() {
      this.element.hidden = true;
    }
  }

  /** Links to a result and its manifest, in a row that is there from the start. */
  class Downloads {
    constructor() {
      this.element = h("div", { class: "sf-downloads" });
    }

    clear() {
      for (const link of this.element.children) URL.revokeObjectURL(link.href);
      this.element.replaceChildren();
    }

    show(links) {
      this.clear();
      this.element.replaceChildren(
        ...links.map(({ url, name, label }, i) =>
          h("a", { href: url, download: name, class: i ? "sf-button" : "sf-button sf-first" }, label),
        ),
      );
    }
  }

  const stem = (name) => name.replace(/\.[^.]*$/, "") || "picture";

  // Each tab's component, and the settings that Gradio's own controls set (see page.py).
  const rooms = {};
  const room = (name) => (rooms[name] ??= { settings: {} });

  /** Called by the controls: a setting has changed. */
  function set(name, setting, value) {
    room(name).settings[setting] = value;
    room(name).changed?.(setting);
  }

  return {
    h, sleep, Problem, Desk, Line, Compare, Downloads, stem, room, set, sentence,
    go: (name) => room(name).go?.(),
  };
})();
