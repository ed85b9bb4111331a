// A way in which clips fall into parts: a labelling, the labels, groups, folders, or a cut of the tree.

export const COLOURS = 10; // different ones; a number or a name always stands beside them
export const GREY = COLOURS; // noise, no label, and what has no colour of its own
export const FAINT = COLOURS + 1; // what a filter hides
const UNKNOWN_NAME = 'not known';

export class Category {
  // names: of the parts; codes: the part of each clip, a place in names.
  constructor(key, title, names, codes) {
    Object.assign(this, { key, title, codes });
    this.counts = new Int32Array(names.length);
    codes.forEach((code) => this.counts[code]++);
    this.known = names.map((each) => each !== '');
    this.names = names.map((each) => each || UNKNOWN_NAME);
    this.badges = names.map(() => '');
    this.order = names
      .map((_, i) => i)
      .sort((a, b) => this.known[b] - this.known[a] || this.counts[b] - this.counts[a]);
    // The largest parts have colours of their own, the others are grey.
    this.colours = new Int32Array(names.length).fill(GREY);
    this.order.slice(0, COLOURS).forEach((code, i) => (this.colours[code] = this.known[code] ? i : GREY));
  }

  // ids: numbers of the clusters, -1 is noise; called: names by number.
  static ofClusters(key, title, ids, codes, called = {}) {
    const found = new Category(
      key,
      title,
      ids.map((id) => (id < 0 ? 'noise' : called[id] || `cluster ${id}`)),
      codes,
    );
    found.ids = ids;
    found.named = ids.map((id) => Boolean(called[id]));
    found.known = ids.map((id) => id >= 0);
    found.badges = ids.map((id) => (id < 0 ? '–' : String(id)));
    found.order = ids
      .map((_, i) => i)
      .sort((a, b) => found.known[b] - found.known[a] || found.counts[b] - found.counts[a]);
    const clusters = ids.map((id, i) => i).filter((i) => ids[i] >= 0);
    clusters.forEach((code, i) => (found.colours[code] = i % COLOURS));
    if (clusters.length < ids.length) found.colours[ids.indexOf(-1)] = GREY;
    return found;
  }

  get clusters() {
    return this.ids !== undefined;
  }

  code(id) {
    return this.ids.indexOf(id);
  }

  colourOf(row) {
    return this.colours[this.codes[row]];
  }

  nameOf(row) {
    return this.names[this.codes[row]];
  }
}
