// Decoded sounds, and small pictures of them.
import FFT from 'wavesurfer.js/dist/fft.js';
import { shade } from './shades.js';

const WINDOW = 512;
const [FRAMES, BANDS] = [72, 36];
const RANGE = 60; // dB below the loudest that a picture shows
const pictures = new Map(); // row -> picture

export function decode(mp3, rate) {
  const context = new OfflineAudioContext(1, 1, rate);
  return context.decodeAudioData(mp3.buffer.slice(0));
}

// Draws the log-mel spectrogram of a clip on a small canvas.
export async function thumbnail(canvas, content, row) {
  canvas.width = FRAMES;
  canvas.height = BANDS;
  const mp3 = content.mp3(row);
  if (!mp3) return;
  if (!pictures.has(row))
    pictures.set(
      row,
      decode(mp3, content.rate).then((buffer) => picture(buffer, content.rate)),
    );
  canvas.getContext('2d').putImageData(await pictures.get(row), 0, 0);
}

function picture(buffer, rate) {
  const levels = bands(buffer.getChannelData(0), rate);
  const most = levels.reduce((a, b) => Math.max(a, b), -Infinity);
  const image = new ImageData(FRAMES, BANDS);
  levels.forEach((level, i) => image.data.set(shade(1 + (level - most) / RANGE), 4 * i));
  return image;
}

// Levels in dB, the highest band first, row after row as a picture is.
function bands(wave, rate) {
  const fft = new FFT(WINDOW, rate, 'hann');
  const found = new Float32Array(FRAMES * BANDS);
  const edges = melEdges(rate);
  const frame = new Float32Array(WINDOW);
  for (let t = 0; t < FRAMES; t++) {
    const start = Math.round((t / FRAMES) * Math.max(1, wave.length - WINDOW));
    frame.fill(0);
    frame.set(wave.subarray(start, start + WINDOW));
    const spectrum = fft.calculateSpectrum(frame);
    for (let f = 0; f < BANDS; f++) {
      let power = 0;
      for (let bin = edges[f]; bin < edges[f + 1]; bin++) power += spectrum[bin] ** 2;
      found[(BANDS - 1 - f) * FRAMES + t] = 10 * Math.log10(power / (edges[f + 1] - edges[f]) + 1e-12);
    }
  }
  return found;
}

// First bins of the bands, of equal width in mel, each at least one bin.
function melEdges(rate) {
  const top = 2595 * Math.log10(1 + rate / 2 / 700);
  const edges = [1];
  for (let f = 1; f <= BANDS; f++) {
    const hertz = 700 * (10 ** ((top * f) / BANDS / 2595) - 1);
    edges.push(Math.max(edges[f - 1] + 1, Math.round((hertz / rate) * WINDOW)));
  }
  return edges;
}
