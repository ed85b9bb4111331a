// The clip that is chosen: its sound, waveform and log-mel spectrogram, what is known of it, its nearest others.
import WaveSurfer from 'wavesurfer.js';
import Spectrogram from 'wavesurfer.js/dist/plugins/spectrogram.js';
import WebAudioPlayer from 'wavesurfer.js/dist/webaudio.js';
import { badge, thumb } from './clip.js';
import { button, el } from './elements.js';
import { COLOUR_MAP } from './shades.js';
import { minus, name, percent, span } from './text.js';

const LOUD = -20; // dBFS that quiet clips are raised to, if asked
const MOST = 40; // dB that a clip is raised by

export class Player {
  constructor(element, store, theme) {
    Object.assign(this, { element, store, theme });
    this.content = store.content;
    this.queue = null; // clips that are listened through, and where in them
    this.even = true;
    this._build();
    store.on('play', (row) => this.play(row));
    store.on('listen', ({ rows, title }) => this.listen(rows, title));
  }

  _build() {
    this.title = el('div', { class: 'clip-title' });
    this.facts = el('div', { class: 'facts' });
    this.status = el('div', { class: 'muted status', role: 'status', 'aria-live': 'polite' });
    this.playButton = button('Play', () => this.toggle(), { class: 'primary', 'aria-keyshortcuts': 'Space' });
    const even = el('input', { type: 'checkbox', checked: true, onchange: () => this._gain(even.checked) });
    this.controls = el(
      'div',
      { class: 'controls' },
      button('‹', () => this.step(-1), { 'aria-label': 'Previous clip', title: 'Previous clip (←)' }),
      this.playButton,
      button('›', () => this.step(1), { 'aria-label': 'Next clip', title: 'Next clip (→)' }),
      button('Nearest', () => this.onlyNearest(), { class: 'narrow', title: 'Show only the nearest clips' }),
      el('label', { class: 'inline', title: 'Raise quiet clips to the level of loud ones' }, even, ' even level'),
      this.status,
    );
    this.picture = el('div', { class: 'picture' });
    this.near = el('div', { class: 'near' });
    this.element.append(this.title, this.facts, this.controls, this.picture, this.near);
    this.title.append(el('span', { class: 'muted' }, 'Click a point of the map, or a picture of a clip, to hear it.'));
    this.facts.append(
      el(
        'span',
        { class: 'wide-only' },
        'Space plays and pauses, ← → step from clip to clip, [ ] from cluster to cluster.',
      ),
    );
    this.element.classList.add('empty');
  }

  // The player proper, at the first sound: before it there is nothing to draw.
  _surfer() {
    if (this.surfer) return this.surfer;
    const { rate } = this.content;
    const colours = () => ({
      waveColor: this.theme.palette[10],
      progressColor: this.theme.ink,
      cursorColor: this.theme.ink,
    });
    // Web Audio plays at any gain; a context of the sounds' own rate decodes them as they are.
    this.media = new WebAudioPlayer(new AudioContext({ sampleRate: rate }));
    const narrow = window.matchMedia('(max-width: 900px)').matches;
    this.surfer = WaveSurfer.create({
      container: this.picture,
      height: narrow ? 20 : 44,
      media: this.media,
      sampleRate: rate,
      normalize: true,
      ...colours(),
    });
    this.surfer.registerPlugin(
      Spectrogram.create({
        height: narrow ? 64 : 132,
        fftSamples: rate < 12000 ? 256 : rate < 30000 ? 512 : 1024,
        windowFunc: 'hann',
        scale: 'mel',
        frequencyMax: rate / 2,
        labels: true,
        labelsBackground: 'rgba(0, 0, 0, 0.45)',
        labelsColor: '#fff',
        labelsHzColor: '#fff',
        autoGain: true,
        rangeDB: 60,
        colorMap: COLOUR_MAP,
        useWebWorker: false,
      }),
    );
    this.theme.onchange(() => this.surfer.setOptions(colours()));
    this.surfer.on('play', () => {
      this._playing(true);
      this.store.emit('heard', this.store.clip);
    });
    this.surfer.on('pause', () => this._playing(false));
    this.surfer.on('finish', () => this._finished());
    return this.surfer;
  }

  // Chooses a clip and plays it. What comes later wins.
  async play(row, keepQueue = false) {
    if (!keepQueue) this.queue = null;
    this.store.choose(row);
    this._describe(row);
    const mp3 = this.content.mp3(row);
    this.playButton.disabled = !mp3;
    this.picture.classList.toggle('silent', !mp3);
    this.element.classList.remove('empty');
    if (this.surfer) this.surfer.stop();
    this._say(mp3 ? this._place() : 'The sound of this clip is not in the page.');
    if (!mp3) return;
    const turn = (this.turn = {});
    const surfer = this._surfer();
    try {
      await surfer.loadBlob(new Blob([mp3], { type: 'audio/mpeg' }));
      if (turn !== this.turn) return;
      this._gain(this.even);
      await surfer.play();
    } catch (error) {
      if (turn === this.turn && error.name !== 'AbortError') this._say(`This sound cannot be played: ${error.message}`);
    }
  }

  // Plays clips one after the other.
  listen(rows, title) {
    const heard = rows.filter((row) => this.content.heard(row));
    if (!heard.length) return this._say('None of these clips has its sound in the page.');
    this.queue = { rows: heard, at: 0, title };
    return this.play(heard[0], true);
  }

  toggle() {
    if (this.store.clip < 0 || !this.content.heard(this.store.clip)) return this.step(1);
    return this.surfer.playPause().catch(() => {});
  }

  step(by) {
    if (this.queue && this.queue.rows[this.queue.at + by] !== undefined) {
      this.queue.at += by;
      return this.play(this.queue.rows[this.queue.at], true);
    }
    const rows = this.store.sequence();
    if (!rows.length) return null;
    const at = rows.indexOf(this.store.clip);
    return this.play(rows[at < 0 ? 0 : (at + by + rows.length) % rows.length]);
  }

  _finished() {
    this._playing(false);
    if (!this.queue) return;
    if (this.queue.at + 1 < this.queue.rows.length) this.step(1);
    else {
      this._say(`${this.queue.title}: all ${this.queue.rows.length} heard`);
      this.queue = null;
    }
  }

  _playing(on) {
    this.playButton.textContent = on ? 'Pause' : 'Play';
  }

  // Where in the queue it is.
  _place() {
    return this.queue ? `${this.queue.title}: ${this.queue.at + 1} of ${this.queue.rows.length}` : '';
  }

  _say(text) {
    this.status.textContent = text;
  }

  _gain(even) {
    this.even = even;
    if (!this.surfer) return;
    const level = this.content.level[this.store.clip];
    const raise = even && Number.isFinite(level) ? Math.min(MOST, Math.max(0, LOUD - level)) : 0;
    this.media.getGainNode().gain.value = 10 ** (raise / 20);
  }

  _describe(row) {
    const { content } = this;
    const sure = content.sure(row);
    const folder = content.path(row).slice(0, -content.file(row).length);
    this.title.replaceChildren(badge(content.clusterOf, content.clusterOf.codes[row]), name(content.file(row)));
    const facts = [
      content.clusterOf.named[content.clusterOf.codes[row]] ? name(content.clusterOf.nameOf(row)) : '',
      span(content.start[row], content.end[row]),
      sure === null ? '' : `confidence ${percent(sure)}`,
      Number.isFinite(content.level[row]) ? `${minus(content.level[row])} dBFS` : '',
      content.at(row) === null ? '' : `at ${content.at(row)} h`,
      ...['label', 'group'].map((key) => {
        const category = content.categories.get(key);
        return category ? el('span', {}, `${category.title.toLowerCase()} `, name(category.nameOf(row))) : '';
      }),
      folder ? el('span', {}, 'in ', name(folder)) : '',
    ];
    this.facts.replaceChildren(...facts.filter(Boolean).map((fact) => el('span', {}, fact)));
    this._nearest(row);
  }

  // Search by example: the clip and its nearest others, in that order.
  onlyNearest() {
    const { clip } = this.store;
    if (clip < 0) return;
    this.store.rows([clip, ...this.content.neighboursOf(clip)], 'nearest of');
    this.store.emit('panel', 'clips');
  }

  _nearest(row) {
    const rows = this.content.neighboursOf(row);
    this.near.replaceChildren();
    if (!rows.length) return;
    const heading = el(
      'div',
      { class: 'row-head' },
      el('h2', {}, 'Nearest clips'),
      button('Listen through', () => this.listen([row, ...rows], 'Nearest clips'), { class: 'quiet' }),
      button('Show only these', () => this.onlyNearest(), { class: 'quiet', 'aria-keyshortcuts': 'x' }),
    );
    this.near.append(
      heading,
      el(
        'div',
        { class: 'thumbs' },
        rows.map((other) => thumb(this.store, other)),
      ),
    );
  }
}
