// What a person says of the clusters: names, merges, splits, drops. Kept by the browser until the page changes.

export class Edits {
  constructor(store) {
    const { content } = store;
    this.store = store;
    this.key = `audioclust:${content.digest}`;
    this.already = { names: {}, merge: [], drop: [], ...content.edits };
    this.fixed = this._fixed();
    this._begin();
    this._restore();
    this._told();
  }

  _begin() {
    this.names = { ...this.already.names, ...this.store.content.names };
    this.into = {}; // cluster -> the one that it is merged into
    this.split = {}; // cluster -> parts
    this.drop = [];
  }

  rename(id, text) {
    this.change(() => (this.names[id] = text));
  }

  // target: a cluster, or null to undo.
  mergeInto(id, target) {
    this.change(() => {
      if (target === null) delete this.into[id];
      else this.into[id] = target;
      delete this.split[id];
    });
  }

  // Groups of clusters, of which each becomes its first.
  mergeGroups(groups) {
    this.change(() => {
      this.into = {};
      for (const [first, ...others] of groups) for (const id of others) this.into[id] = first;
    });
  }

  // parts: 2 at least, else it stays whole.
  splitIn(id, parts) {
    this.change(() => {
      if (parts >= 2) this.split[id] = parts;
      else delete this.split[id];
    });
  }

  dropped(id, on) {
    this.change(() => {
      this.drop = this.drop.filter((other) => other !== id);
      if (!on) return;
      this.drop.push(id);
      delete this.into[id];
      delete this.split[id];
      for (const [from, to] of Object.entries(this.into)) if (to === id) delete this.into[from];
    });
  }

  // Whether one cluster may be merged into another.
  merges(id, target) {
    const gone = this.drop.includes(target) || this.split[target] !== undefined;
    return id !== target && !gone && this._target(target) !== id;
  }

  // Forgets all that was added here.
  reset() {
    this.change(() => this._begin());
  }

  // Whatever is wrong with what the browser kept, or that it keeps nothing, the page goes on without.
  _restore() {
    try {
      const kept = JSON.parse(window.localStorage.getItem(this.key));
      if (kept) Object.assign(this, kept);
    } catch {
      this.kept = false;
    }
  }

  change(edit) {
    edit();
    try {
      const { names, into, split, drop } = this;
      window.localStorage.setItem(this.key, JSON.stringify({ names, into, split, drop }));
    } catch {
      this.kept = false;
    }
    this._told();
  }

  _told() {
    const { store } = this;
    const category = store.content.clusterOf;
    category.ids.forEach((id, code) => {
      if (id < 0) return;
      category.named[code] = Boolean(this.names[id]);
      category.names[code] = this.names[id] || `cluster ${id}`;
    });
    store.emit('edits');
  }

  // All that clusters.yaml is to say: what it says already, and what was added here.
  all() {
    const { already } = this;
    const names = { ...already.names };
    for (const [id, text] of Object.entries(this.names)) if (text) names[id] = text;
    for (const id of Object.keys(already.names)) if (this.names[id] === '') delete names[id];
    return {
      names,
      merge: this._merges(),
      split: [...already.split, ...Object.entries(this.split)],
      drop: [...new Set([...already.drop, ...this.drop])].sort((a, b) => a - b),
    };
  }

  // Clusters that cannot be split here. Splits come first: what was split or merged already, and what a split made, is
  // not what clusters.yaml would split.
  _fixed() {
    const { merge, split, drop } = this.already;
    const shown = this.store.content.clusterOf.ids;
    const all = [...new Set([...shown, ...merge.flat(), ...drop])].sort((a, b) => a - b);
    const made = split.reduce((sum, [, parts]) => sum + parts - 1, 0);
    return new Set([...split.map(([id]) => Number(id)), ...merge.flat(), ...all.slice(all.length - made)]);
  }

  // Whether a cluster may be split: it is not, and it is no part of a merge.
  splits(id) {
    return (
      !this.fixed.has(id) &&
      this.into[id] === undefined &&
      !this.drop.includes(id) &&
      !Object.values(this.into).includes(id)
    );
  }

  // Groups of clusters that become the first of each.
  _merges() {
    const groups = this.already.merge.map((group) => [...group]);
    for (const [from, to] of Object.entries(this.into)) {
      const [id, target] = [Number(from), this._target(to)];
      const holds = (number) => groups.find((group) => group.includes(number));
      const [own, other] = [holds(id) || [id], holds(target) || [target]];
      if (own === other) continue;
      const joined = [...other, ...own];
      groups.splice(0, groups.length, ...groups.filter((group) => group !== own && group !== other), joined);
    }
    return groups;
  }

  // Where a chain of merges ends.
  _target(id) {
    const passed = new Set();
    let at = id;
    while (this.into[at] !== undefined && !passed.has(at)) {
      passed.add(at);
      at = this.into[at];
    }
    return at;
  }
}
