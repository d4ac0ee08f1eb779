"use strict";
// Viewer of slices, and search in logs. The page's text needs none of it. Everything that a container named reaches
// the page as textContent.
(() => {
  const ONLY_RESULT = "#D55E00", ONLY_TRUTH = "#56B4E9", BOTH = "#009E73";
  const sources = new Map();

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  const clamp = (value, most) => Math.max(0, Math.min(most, value));
  const json = (id) => JSON.parse(document.getElementById(id).textContent);

  /** The values of one encoded picture: those of a mask exactly as they were written. */
  async function decode(text, rows, columns) {
    const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
    const bitmap = await createImageBitmap(new Blob([bytes]), options);
    const canvas = make("canvas", { width: columns, height: rows });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    const pixels = context.getImageData(0, 0, columns, rows).data;
    const values = new Uint8Array(rows * columns);
    for (let at = 0; at < values.length; at++) values[at] = pixels[4 * at];
    return values;
  }

  /** Planes of encoded pictures as one volume; those that are missing are zero. */
  async function stack(pictures, [slices, rows, columns]) {
    const volume = new Uint8Array(slices * rows * columns);
    await Promise.all(Object.entries(pictures).map(async ([index, text]) => {
      volume.set(await decode(text, rows, columns), Number(index) * rows * columns);
    }));
    return volume;
  }

  async function source(id) {
    if (!sources.has(id)) {
      const data = json(id);
      sources.set(id, (async () => ({ ...data, volume: await stack(data.slices, data.size) }))());
    }
    return sources.get(id);
  }

  class Viewer {
    constructor(figure, below, data, layers, truths) {
      Object.assign(this, { figure, below, layers, truths });
      this.segments = data.segments.map((segment) => ({ ...segment, shown: true }));
      this.opacity = 0.5;
      this.overlay = true;
      const show = JSON.parse(figure.dataset.show || "{}");
      const [step, factor] = below.step;
      const focus = show.focus || below.size.map((size, axis) => Math.floor(size / 2) * (axis ? factor : step));
      this.at = focus.map((value, axis) => clamp(Math.floor(value / (axis ? factor : step)), below.size[axis] - 1));
      this.compared = show.compare === undefined ? null : String(show.compare);
      this.mode = this.compared === null ? "segments" : `differences ${this.compared}`;
      this.build();
      this.draw();
    }

    build() {
      this.planes = [0, 1, 2].map((axis) => {
        const canvas = make("canvas", { tabIndex: 0 });
        canvas.setAttribute("role", "slider");
        canvas.setAttribute("aria-label", `Plane ${this.below.planes[axis]}`);
        canvas.setAttribute("aria-valuemin", "1");
        canvas.setAttribute("aria-valuemax", String(this.below.size[axis]));
        canvas.addEventListener("wheel", (event) => {
          event.preventDefault();
          this.move(axis, Math.sign(event.deltaY));
        }, { passive: false });
        canvas.addEventListener("keydown", (event) => this.key(event, axis));
        canvas.addEventListener("pointerdown", (event) => this.point(event, axis));
        canvas.addEventListener("pointermove", (event) => event.buttons && this.point(event, axis));
        const words = make("span");
        const letters = Object.entries(this.below.edges[axis]).map(([edge, textContent]) => {
          const letter = make("b", { className: `edge-${edge}`, textContent });
          letter.setAttribute("aria-hidden", "true");
          return letter;
        });
        return { axis, canvas, words, box: make("div", { className: "plane" }, canvas, words, ...letters) };
      });
      const controls = make("div", { className: "controls" }, ...this.ranges(), ...this.choices(), this.list(), this.help());
      const planes = make("div", { className: "planes" }, ...this.planes.map((plane) => plane.box));
      this.root = make("div", { className: "viewer" }, planes, controls);
      this.root.setAttribute("role", "group");
      this.root.setAttribute("aria-label", "Viewer");
      this.figure.prepend(this.root);
    }

    ranges() {
      this.sliders = this.below.planes.map((name, axis) => {
        const range = make("input", { type: "range", min: 0, max: this.below.size[axis] - 1, value: this.at[axis] });
        range.addEventListener("input", () => this.go(axis, Number(range.value)));
        return { range, label: make("label", { className: "row" }, name, range) };
      });
      const field = make("fieldset", {}, make("legend", { textContent: "Slices" }));
      field.append(...this.sliders.map((slider) => slider.label));
      return [field];
    }

    choices() {
      if (!this.segments.length) return [];
      const field = make("fieldset", {}, make("legend", { textContent: "Overlay" }));
      this.box = make("input", { type: "checkbox", checked: true });
      this.box.addEventListener("change", () => this.set({ overlay: this.box.checked }));
      field.append(make("label", { className: "row" }, this.box, " shown"));
      const range = make("input", { type: "range", min: 0, max: 100, value: 50 });
      range.addEventListener("input", () => this.set({ opacity: Number(range.value) / 100 }));
      field.append(make("label", { className: "row" }, "Opacity", range));
      const compared = Object.keys(this.truths);
      if (compared.length) {
        this.select = make("select");
        this.select.append(new Option("segments", "segments"));
        for (const number of compared) {
          const label = this.segments[number].label.slice(0, 60);
          this.select.append(new Option(`${label}: differences from the truth`, `differences ${number}`));
          this.select.append(new Option(`${label}: the truth`, `truth ${number}`));
        }
        this.select.value = this.mode;
        this.select.addEventListener("change", () => this.set({ mode: this.select.value }));
        field.append(make("label", { className: "row" }, "Show ", this.select));
      }
      return [field];
    }

    list() {
      if (!this.segments.length) return "";
      const list = make("ul", { className: "layers" });
      this.boxes = this.segments.map((segment) => {
        const box = make("input", { type: "checkbox", checked: true });
        box.addEventListener("change", () => { segment.shown = box.checked; this.draw(); });
        const colour = make("input", { type: "color", value: segment.colour.toLowerCase() });
        colour.setAttribute("aria-label", `Colour of ${segment.label.slice(0, 200)}`);
        colour.addEventListener("input", () => { segment.colour = colour.value; this.draw(); });
        const name = make("bdi", { textContent: segment.label.slice(0, 300) });
        list.append(make("li", {}, make("label", {}, box, colour, name)));
        return box;
      });
      return make("fieldset", {}, make("legend", { textContent: "Segments" }), list);
    }

    help() {
      const keys = "Keys on a plane: arrows, Page Up and Page Down scroll, Home and End jump, O hides the overlay, "
        + "1 to 9 hide a segment, D shows differences.";
      return make("p", { className: "muted", textContent: keys });
    }

    key(event, axis) {
      const steps = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 };
      const last = this.below.size[axis] - 1;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key in steps) this.move(axis, steps[event.key]);
      else if (event.key === "Home") this.go(axis, 0);
      else if (event.key === "End") this.go(axis, last);
      else if (event.key.toLowerCase() === "o" && this.box) this.set({ overlay: !this.overlay });
      else if (event.key.toLowerCase() === "d" && this.select) {
        const first = `differences ${this.compared ?? Object.keys(this.truths)[0]}`;
        this.set({ mode: this.mode === first ? "segments" : first });
      } else if (/^[1-9]$/.test(event.key) && this.boxes?.[event.key - 1]) this.boxes[event.key - 1].click();
      else return;
      event.preventDefault();
    }

    set(changed) {
      Object.assign(this, changed);
      if (this.box) this.box.checked = this.overlay;
      if (this.select) this.select.value = this.mode;
      this.draw();
    }

    move(axis, by) { this.go(axis, this.at[axis] + by); }

    go(axis, index) {
      this.at[axis] = clamp(index, this.below.size[axis] - 1);
      this.draw();
    }

    /** The other two planes go to the voxel under the pointer. */
    point(event, axis) {
      const { canvas } = this.planes[axis];
      const box = canvas.getBoundingClientRect();
      const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
      const x = (event.clientX - box.left - (box.width - canvas.width * scale) / 2) / (canvas.width * scale);
      const y = (event.clientY - box.top - (box.height - canvas.height * scale) / 2) / (canvas.height * scale);
      if (x < 0 || y < 0 || x >= 1 || y >= 1) return;
      const [down, across] = [0, 1, 2].filter((other) => other !== axis);
      const up = down === 0 && this.below.upright ? 1 - y : y;
      this.at[down] = clamp(Math.floor(up * this.below.size[down]), this.below.size[down] - 1);
      this.at[across] = clamp(Math.floor(x * this.below.size[across]), this.below.size[across] - 1);
      this.draw();
    }

    /** Colour and weight of what lies on a voxel; null where nothing does. */
    colourAt(voxel) {
      const [kind, number] = this.mode.split(" ");
      if (kind === "segments") {
        let found = null;
        for (const layer of this.layers) {
          const segment = layer[voxel] ? this.segments[layer[voxel] - 1] : null;
          if (segment?.shown) found = this.palette[layer[voxel] - 1];
        }
        return found;
      }
      const truth = this.truths[number][voxel] > 0;
      if (kind === "truth") return truth ? this.fixed.both : null;
      const mine = this.layers.some((layer) => layer[voxel] === Number(number) + 1);
      if (mine && truth) return this.fixed.both;
      if (mine) return this.fixed.mine;
      return truth ? this.fixed.truth : null;
    }

    draw() {
      this.palette = this.segments.map((segment) => rgb(segment.colour));
      this.fixed = { both: rgb(BOTH), mine: rgb(ONLY_RESULT), truth: rgb(ONLY_TRUTH) };
      for (const plane of this.planes) this.drawPlane(plane);
      this.sliders.forEach((slider, axis) => { slider.range.value = this.at[axis]; });
      this.figure.dataset.state = `${this.at.join(" ")} ${this.overlay ? this.mode : "none"}`;
    }

    drawPlane({ axis, canvas, words }) {
      const { size, spacing, step, total, volume, upright, planes } = this.below;
      const [down, across] = [0, 1, 2].filter((other) => other !== axis);
      const strides = [size[1] * size[2], size[2], 1];
      const [height, width] = [size[down], size[across]];
      const image = new ImageData(width, height);
      const flip = down === 0 && upright;
      for (let y = 0; y < height; y++) {
        const row = this.at[axis] * strides[axis] + (flip ? height - 1 - y : y) * strides[down];
        for (let x = 0; x < width; x++) {
          const voxel = row + x * strides[across], to = 4 * (y * width + x), grey = volume[voxel];
          const tint = this.overlay && this.segments.length ? this.colourAt(voxel) : null;
          for (let part = 0; part < 3; part++) {
            image.data[to + part] = tint ? grey * (1 - this.opacity) + tint[part] * this.opacity : grey;
          }
          image.data[to + 3] = 255;
        }
      }
      const flat = make("canvas", { width, height });
      flat.getContext("2d").putImageData(image, 0, 0);
      // as large as in the patient, a voxel at least one pixel
      const smallest = Math.min(spacing[down], spacing[across]);
      const factor = Math.min(1, 2048 / Math.max((height * spacing[down]) / smallest, (width * spacing[across]) / smallest));
      canvas.width = Math.max(1, Math.round((width * spacing[across]) / smallest * factor));
      canvas.height = Math.max(1, Math.round((height * spacing[down]) / smallest * factor));
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = false;
      context.drawImage(flat, 0, 0, canvas.width, canvas.height);
      const number = this.at[axis] * (axis ? step[1] : step[0]) + 1;
      const all = axis ? size[axis] * step[1] : total;
      words.textContent = `${planes[axis]} ${number} of ${all}`;
      canvas.setAttribute("aria-valuenow", String(this.at[axis] + 1));
      const { left, top } = this.below.edges[axis];
      canvas.setAttribute("aria-valuetext", `${words.textContent}, ${left} at the left, ${top} at the top`);
    }
  }

  async function open(figure, button) {
    button.disabled = true;
    button.textContent = "Reading the slices …";
    const data = json(figure.dataset.viewer);
    const below = await source(data.source);
    const depth = Math.max(0, ...Object.values(data.layers).map((layers) => layers.length));
    const layers = await Promise.all([...Array(depth).keys()].map((level) => stack(
      Object.fromEntries(Object.entries(data.layers).filter(([, all]) => all[level]).map(([at, all]) => [at, all[level]])),
      below.size,
    )));
    const truths = {};
    for (const [number, pictures] of Object.entries(data.truths)) truths[number] = await stack(pictures, below.size);
    const viewer = new Viewer(figure, below, data, layers, truths);
    button.remove();
    figure.querySelector("img.still").hidden = true;
    viewer.planes[0].canvas.focus({ preventScroll: true });
  }

  for (const figure of document.querySelectorAll("figure[data-viewer]")) {
    const button = make("button", { type: "button", className: "open-viewer", textContent: "Scroll through the slices" });
    button.addEventListener("click", () => open(figure, button).catch((error) => {
      button.textContent = `The slices cannot be shown: ${error.message}`;
    }));
    figure.prepend(button);
  }

  const search = document.getElementById("search");
  if (search) {
    search.closest("p").hidden = false;
    const count = document.getElementById("found");
    let waiting = 0;
    const find = () => {
      const wanted = search.value.toLowerCase();
      let hits = 0;
      for (const log of document.querySelectorAll("details.log")) {
        let here = 0;
        for (const line of log.querySelectorAll("pre > *")) {
          const hit = wanted !== "" && line.textContent.toLowerCase().includes(wanted);
          line.classList.toggle("hit", hit);
          here += hit;
        }
        if (wanted !== "") log.open = here > 0;
        hits += here;
      }
      count.textContent = wanted === "" ? "" : `${hits} ${hits === 1 ? "line" : "lines"}`;
    };
    search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(find, 120); });
  }

  // a link to a line in a closed log opens it
  const reveal = () => document.getElementById(location.hash.slice(1))?.closest("details")?.setAttribute("open", "");
  addEventListener("hashchange", reveal);
  reveal();
})();
