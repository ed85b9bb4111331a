// The data of the page: columns of clips, sounds, and the ways in which clips fall into categories.
import { Category } from './category.js';

const KINDS = { u8: Uint8Array, i16: Int16Array, u16: Uint16Array, i32: Int32Array, f32: Float32Array };
const UNKNOWN = 255;
const NONE = -30000;

export function bytes(base64) {
  const text = atob(base64);
  const found = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) found[i] = text.charCodeAt(i);
  return found;
}

// The page's numbers are little-endian, as all machines that run browsers are.
function unpack(packed) {
  if (packed.t === 'u24') return places(bytes(packed.b));
  if ('c' in packed) return new Float32Array(packed.n).fill(packed.c);
  return new KINDS[packed.t](bytes(packed.b).buffer);
}

function places(flat) {
  const found = new Int32Array(flat.length / 3);
  for (let i = 0; i < found.length; i++)
    found[i] = ((flat[3 * i] | (flat[3 * i + 1] << 8) | (flat[3 * i + 2] << 16)) << 8) >> 8;
  return found;
}

function names({ shared, rest }) {
  const same = unpack(shared);
  let last = '';
  return rest.map((text, i) => (last = last.slice(0, same[i]) + text));
}

// Whole numbers as shares of a unit, NaN where unknown.
function known(values, parts) {
  return Float32Array.from(values, (value) => (value === NONE ? NaN : value / parts));
}

export class Content {
  constructor(data) {
    Object.assign(this, data);
    const { clips } = data;
    this.paths = names(clips.paths);
    this.recording = unpack(clips.path);
    this.n = this.recording.length;
    this.start = known(unpack(clips.start), 1000);
    this.end = known(unpack(clips.length), 1000).map((length, row) => this.start[row] + length);
    this.confidence = unpack(clips.confidence);
    this.level = known(unpack(clips.level), 10);
    this.hour = clips.hour ? unpack(clips.hour) : null;
    this.xy = Float32Array.from(unpack(data.xy), (step) => (2 * step) / 65535 - 1);
    this.near = unpack(data.neighbours.rows);
    this.sound = new Int32Array(this.n).fill(-1);
    unpack(data.sounds).forEach((row, i) => (this.sound[row] = i));
    this.several = this._several();
    this.categories = this._categories(clips);
    this.foldersAreLabels = same(this.categories.get('folder'), this.categories.get('label'));
    this.clusterOf = this.categories.get('labelling:0');
  }

  _several() {
    const clips = new Int32Array(this.paths.length);
    this.recording.forEach((path) => clips[path]++);
    return clips;
  }

  _categories(clips) {
    const found = new Map();
    this.labellings.forEach(({ name, ids, codes }, i) => {
      found.set(`labelling:${i}`, Category.ofClusters(`labelling:${i}`, name, ids, unpack(codes), i ? {} : this.names));
    });
    for (const key of ['label', 'group']) {
      if (clips[key]) found.set(key, new Category(key, TITLES[key], names(clips[key].names), unpack(clips[key].codes)));
    }
    const folders = this.paths.map(folder);
    const different = [...new Set(folders)].sort();
    if (different.length > 1) {
      const place = new Map(different.map((each, i) => [each, i]));
      const codes = Int32Array.from(this.recording, (path) => place.get(folders[path]));
      found.set(
        'folder',
        new Category(
          'folder',
          'Folder',
          different.map((each) => each || './'),
          codes,
        ),
      );
    }
    return found;
  }

  path(row) {
    return this.paths[this.recording[row]];
  }

  file(row) {
    return this.path(row).split('/').pop();
  }

  // Null where it is not known, as of noise.
  sure(row) {
    return this.confidence[row] === UNKNOWN ? null : this.confidence[row] / 100;
  }

  at(row) {
    return this.hour && this.hour[row] !== UNKNOWN ? this.hour[row] : null;
  }

  // Rows of the nearest other clips, the nearest first.
  neighboursOf(row) {
    const { m } = this.neighbours;
    return [...this.near.subarray(row * m, (row + 1) * m)].filter((other) => other >= 0);
  }

  // The MP3 of a clip, or null.
  mp3(row) {
    if (this.sound[row] < 0) return null;
    return bytes(document.getElementById(`sound-${this.sound[row]}`).textContent);
  }

  heard(row) {
    return this.sound[row] >= 0;
  }
}

// Whether two categories have the same parts.
function same(one, other) {
  if (!one || !other || one.names.length !== other.names.length) return false;
  const partner = new Map();
  return one.codes.every((code, row) => {
    if (!partner.has(code)) partner.set(code, other.codes[row]);
    return partner.get(code) === other.codes[row];
  });
}

const TITLES = { label: 'Label', group: 'Group' };

function folder(path) {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/') + 1) : '';
}
