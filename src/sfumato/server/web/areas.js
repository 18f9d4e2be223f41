// What is to be painted: areas, each a selection with a style, and what was found to choose from.
(() => {
  "use strict";
  const { Problem, masks } = window.sfumato;

  const FIND_SIDE = 512; // of the copy in which regions are looked for, to be shown
  const CLUSTERS = 4;
  const LEAST = 0.005; // share of the picture: a smaller thing cannot be hit with a finger

  /** One area: the regions picked, strokes on top, and its style. */
  class Area {
    constructor(grid) {
      this.picks = new Set();
      this.strokes = new masks.Strokes(grid);
      this.style = null;
    }

    get empty() {
      return !this.picks.size && !this.strokes.drawn.add && !this.strokes.drawn.erase;
    }
  }

  class Areas {
    constructor(photo, desk) {
      Object.assign(this, { photo, desk });
      this.grid = masks.gridOf(photo.width, photo.height);
      this.found = new Map(); // region -> {label, mask, colour, group}
      this.list = [new Area(this.grid)];
      this.at = 0;
      this.past = [];
    }

    get now() {
      return this.list[this.at];
    }

    /** Everything that can be taken back is done through here. */
    change(act) {
      this.past.push(this.list.map((area) => ({ picks: [...area.picks], strokes: area.strokes.state() })));
      if (this.past.length > 12) this.past.shift();
      act(this.now);
    }

    undo() {
      const before = this.past.pop();
      before?.forEach(({ picks, strokes }, i) => {
        if (!this.list[i]) return;
        this.list[i].picks = new Set(picks);
        this.list[i].strokes.restore(strokes);
      });
    }

    toggle(region) {
      this.change(({ picks }) => (picks.has(region) ? picks.delete(region) : picks.add(region)));
    }

    add() {
      this.list.push(new Area(this.grid));
      this.at = this.list.length - 1;
      this.past = [];
    }

    remove(i) {
      this.list.splice(i, 1);
      this.at = Math.max(0, Math.min(this.at, this.list.length - 1));
      this.past = [];
    }

    /** Levels of an area's selection. */
    mask(area) {
      const union = new Uint8Array(this.grid.width * this.grid.height);
      if (!area.picks.size && !area.strokes.drawn.add) union.fill(255);
      for (const pick of area.picks) {
        const mask = this.found.get(pick)?.mask;
        if (mask) for (let i = 0; i < union.length; i++) if (mask[i] > union[i]) union[i] = mask[i];
      }
      const { add, erase } = area.strokes.drawn;
      if (add) area.strokes.levels("add").forEach((v, i) => v > union[i] && (union[i] = v));
      if (erase) {
        area.strokes.levels("erase").forEach((v, i) => (union[i] = Math.min(union[i], 255 - v)));
      }
      return union;
    }

    /** What lies at a point, of a group: the smallest thing found there. */
    hit([x, y], group) {
      const { width, height } = this.grid;
      const at = Math.min(height - 1, Math.floor(y * height)) * width +
        Math.min(width - 1, Math.floor(x * width));
      let best = null;
      for (const [region, thing] of this.found) {
        if (thing.group !== group || thing.mask[at] < 128) continue;
        if (!best || thing.share < this.found.get(best).share) best = region;
      }
      return best;
    }

    /** Looks for persons and the subject; null, or why there is nothing to click on. */
    async findThings(told) {
      const [person, subject] = (
        await Promise.all(
          ["person", "subject"].map((region) => this.look(region, told).catch(emptyIf)),
        )
      ).map((mask) => (mask && masks.share(mask) > LEAST ? mask : null));
      if (person) this.keep("person", "Person", person, "things");
      const same = person && subject && masks.agreement(person, subject) > 0.8;
      if (subject && !same) this.keep("subject", "Subject", subject, "things");
      const thing = person ?? subject;
      if (thing) {
        const region = person ? "background" : "not subject";
        this.keep(region, "Background", masks.not(thing), "things", masks.FOUND.background);
      }
      return Boolean(thing);
    }

    async findColours(told) {
      const regions = Array.from({ length: CLUSTERS }, (_, i) => `cluster:${i + 1}/${CLUSTERS}`);
      const found = await Promise.all(regions.map((region) => this.look(region, told)));
      found.forEach((mask, i) =>
        this.keep(regions[i], `Colour ${i + 1}`, mask, "colours", masks.COLOURS[i]),
      );
    }

    /** A thing pointed at, or in a box: found by a net, and picked. */
    async findAt(region, label, told) {
      const mask = await this.look(region, told);
      if (masks.share(mask) < 0.0005) throw new Problem("Nothing was found there; try another spot.");
      this.keep(region, label, mask, "pointed");
      this.toggle(region);
    }

    box(corners) {
      const region = `box:${corners.map((at) => at.toFixed(4)).join(",")}`;
      this.keep(region, "Box", masks.rectangle(this.grid, corners), "pointed");
      this.toggle(region);
    }

    keep(region, label, mask, group, colour = masks.FOUND[region] ?? masks.AREAS[3]) {
      this.found.set(region, { label, mask, group, colour, share: masks.share(mask) });
    }

    async look(region, told) {
      const file = await this.photo.smallAs("photo", FIND_SIDE);
      const id = await this.desk.ask("cut", { region, mask_only: true }, [file]);
      await this.desk.follow(id, told);
      return masks.read(await this.desk.fetch(id), this.grid);
    }

    /** Layers of an order, and the files that they name. */
    layers(stylizer = null) {
      const files = [];
      const layers = this.list.map((area, i) => {
        const which = this.list.length > 1 ? ` for area ${i + 1}` : "";
        if (!area.style) throw new Problem(`Choose a style${which} first.`);
        if (area.empty && this.list.length > 1) {
          throw new Problem(`Area ${i + 1} is empty: click on what belongs to it, or remove it.`);
        }
        const { name, file } = area.style;
        if (file && !files.some((one) => one.name === name)) files.push({ part: "files", name, file });
        return { region: this.region(area, i, files), style: name, stylizer };
      });
      return { layers, files };
    }

    region(area, number, files) {
      const drawn = (kind) => {
        const name = `area-${number + 1}-${kind}.png`;
        files.push({ part: "files", name, data: area.strokes.png(kind) });
        return `file:"${name}"`;
      };
      const parts = [...area.picks].map((pick) => (pick.startsWith("not ") ? `(${pick})` : pick));
      if (area.strokes.drawn.add) parts.push(drawn("add"));
      const region = parts.join(" + ") || "everything";
      return area.strokes.drawn.erase ? `(${region}) - ${drawn("erase")}` : region;
    }

    /** An area in words. */
    name(area) {
      if (area.empty) return this.list.length > 1 ? "nothing yet" : "the whole picture";
      const names = [...area.picks].map((pick) => this.found.get(pick)?.label ?? pick);
      const { add, erase } = area.strokes.drawn;
      const base = [...names, ...(add ? ["brush"] : [])].join(" + ") || "the whole picture";
      return erase ? `${base} − eraser` : base;
    }
  }

  /** That a net finds nobody is no failure here. */
  function emptyIf(problem) {
    if (/^Found no /.test(problem.message)) return null;
    throw problem;
  }

  Object.assign(window.sfumato, { Areas });
})();
