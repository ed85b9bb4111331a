// What the page leaves out, how to read it, its keys.
import { el } from '../elements.js';
import { visible } from '../text.js';

const KEYS = [
  ['Space', 'play or pause'],
  ['← →', 'previous or next clip of those that are shown'],
  ['[ ]', 'previous or next cluster: its first exemplar'],
  ['0 – 9', 'the cluster of that number'],
  ['x', 'only the clips that are nearest to this one'],
  ['/', 'search by file name'],
  ['Esc', 'show all clips'],
];

const TERMS = [
  ['Map', 'Each point is a clip. Near points sound alike to the encoder; distances between far groups say little.'],
  ['Exemplars', 'The clips nearest to the middle of their cluster: listen to these first.'],
  ['Edge cases', 'The clips farthest from that middle: what the cluster may have wrongly.'],
  ['Confidence', 'The share of a clip’s 10 nearest other clips that lie in the same cluster. Noise has none.'],
  ['Purity', 'The same, as the mean over the clips of a cluster.'],
  [
    'Against the rest',
    'The mean level of a range of frequencies in the cluster’s clips, less that of all other clips.',
  ],
  ['Noise', 'Clips that the method gives to no cluster. They are grey.'],
];

export function about(content) {
  const list = (title, entries) =>
    el(
      'section',
      {},
      el('h2', {}, title),
      el(
        'dl',
        { class: 'terms' },
        entries.map(([term, text]) => [el('dt', {}, term), el('dd', {}, text)]),
      ),
    );
  const heard = content.sound.filter((place) => place >= 0).length;
  return el(
    'div',
    {},
    el(
      'section',
      { id: 'left-out' },
      el('h2', {}, 'What this page leaves out'),
      content.left_out.length
        ? el(
            'ul',
            {},
            content.left_out.map((each) => el('li', {}, visible(each))),
          )
        : el('p', {}, 'Nothing: all clips and all their sounds are in it.'),
      heard
        ? el(
            'p',
            { class: 'muted' },
            `The page contains the sounds of ${heard.toLocaleString('en')} clips: whoever has the file can hear them.`,
          )
        : '',
    ),
    list('How to read it', TERMS),
    list(
      'Keys',
      KEYS.map(([key, text]) => [el('kbd', {}, key), text]),
    ),
    el(
      'details',
      {},
      el('summary', {}, 'Licences of the libraries in this page'),
      el('pre', {}, document.getElementById('licences').textContent),
    ),
  );
}
