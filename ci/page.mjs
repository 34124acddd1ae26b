// Looks at the page of `ringway bench --report` in a headless Chromium: node page.mjs CHROMIUM PAGE RAW [FOLDER].
// Speaks the DevTools protocol over the browser's own pipe (descriptors 3 and 4), so nothing is installed for it. With a
// FOLDER it leaves screenshots there.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [chromium, page, raw, folder] = process.argv.slice(2);
const SCREENS = [{ width: 360, height: 800, mobile: true }, { width: 1280, height: 900, mobile: false }];
const PATIENCE = 50_000;

/** How many rows the tables of each part must have, out of the raw file alone. */
function expectedRows(text) {
  const cells = {};
  const add = (part, ...cell) => (cells[part] ??= new Set()).add(cell.join('|'));
  for (const [index, line] of text.trim().split('\n').entries()) {
    const r = JSON.parse(line);
    if (r.record === 'pair' && r.verdict.Ok) add('pair', r.verdict.Ok, r.pattern, r.mechanism, r.build, r.size);
    if (r.record === 'crowd' && r.sound) add('crowd', r.regime, r.mechanism, r.producers, r.consumers, r.size);
    if (r.record === 'load' && r.sound) add('load', r.regime, r.mechanism, r.rate, r.size);
    if (r.record === 'growth' && r.sound) add('growth', r.regime, r.axis, r.rings, r.ring_bytes, r.size);
    if (r.record === 'idle') add('idle', index);
  }
  return Object.fromEntries(Object.entries(cells).map(([part, set]) => [part, set.size]));
}

/** Runs in the page: everything that is wrong with it. */
function inspect(expected) {
  const faults = [];
  const fault = (what) => faults.push(what);
  const root = document.documentElement;
  document.querySelectorAll('details').forEach((details) => (details.open = true));

  if (root.scrollWidth > root.clientWidth) fault(`the page is ${root.scrollWidth} wide in a window of ${root.clientWidth}`);
  const resources = performance.getEntriesByType('resource').map((entry) => entry.name);
  if (resources.length) fault(`it loads ${resources}`);
  if (document.scripts.length) fault('it has scripts');

  const text = document.body.innerText + [...document.querySelectorAll('svg')].map((svg) => svg.outerHTML).join(' ');
  for (const word of text.match(/\b(NaN|undefined|null|Infinity|inf)\b/g) ?? []) fault(`it says ${word}`);
  const tiles = document.querySelectorAll('.finding').length;
  if (tiles !== 3) fault(`${tiles} findings`);

  const name = (svg) => svg.querySelector('title')?.textContent ?? 'a drawing';
  const drawings = [...document.querySelectorAll('figure > svg')];
  if (!drawings.length) fault('there are no plots');
  for (const svg of drawings) {
    const box = svg.getBoundingClientRect();
    if (box.width < 200 || box.height < 40) fault(`${name(svg)} is ${box.width} x ${box.height}`);
    if (!svg.querySelector(':scope > title')?.textContent || !svg.querySelector(':scope > desc')?.textContent) fault(`${name(svg)} has no title or description`);
    const { width, height } = svg.viewBox.baseVal;
    const labels = [...svg.querySelectorAll('text')].map((text) => ({ text, box: text.getBBox() }));
    for (const { text, box: b } of labels) {
      if (b.x < -0.5 || b.y < -0.5 || b.x + b.width > width + 0.5 || b.y + b.height > height + 0.5) fault(`${name(svg)}: "${text.textContent}" leaves the drawing`);
      if (parseFloat(getComputedStyle(text).fontSize) * box.width / width < 10) fault(`${name(svg)}: "${text.textContent}" is too small to read`);
    }
    for (const [i, { text: a, box: b }] of labels.entries()) {
      for (const { text: other, box: o } of labels.slice(i + 1)) {
        // A box is higher than its letters.
        const apart = b.x + b.width <= o.x || o.x + o.width <= b.x || b.y + b.height - 2 <= o.y || o.y + o.height - 2 <= b.y;
        if (!apart) fault(`${name(svg)}: "${a.textContent}" lies on "${other.textContent}"`);
      }
    }
    for (const mark of svg.querySelectorAll('polyline, .mark, .whisker, circle')) {
      const b = mark.getBoundingClientRect();
      if (b.left < box.left - 4 || b.right > box.right + 4 || b.top < box.top - 4 || b.bottom > box.bottom + 4) fault(`${name(svg)}: a line leaves the drawing`);
    }
  }

  const rgba = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const contrast = (colour, element) => {
    const [light, dark] = [luminance(rgba(colour)), luminance(ground(element))].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const poor = new Set();
  for (const element of document.body.querySelectorAll('*')) {
    if (['TITLE', 'DESC', 'STYLE'].includes(element.tagName.toUpperCase())) continue;
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
    const style = getComputedStyle(element);
    const ratio = contrast(element instanceof SVGElement ? style.fill : style.color, element);
    if (ratio < 4.5) poor.add(`${element.tagName}.${element.getAttribute('class') ?? ''} has a contrast of ${ratio.toFixed(2)}`);
  }
  for (const element of document.querySelectorAll('figure polyline, figure .mark')) {
    const style = getComputedStyle(element);
    const ratio = contrast(element.matches('.mark') ? style.fill : style.stroke, element);
    const least = element.parentElement.matches('.floor') ? 2 : 3;
    if (ratio < least) poor.add(`a line of ${element.parentElement.getAttribute('class')} has a contrast of ${ratio.toFixed(2)}`);
  }
  poor.forEach(fault);

  const rows = {};
  for (const table of document.querySelectorAll('table[data-part]')) {
    const part = table.dataset.part;
    rows[part] = (rows[part] ?? 0) + table.tBodies[0].rows.length;
    if (!table.caption?.textContent) fault(`a table of ${part} has no caption`);
    if (table.querySelector('th:not([scope])')) fault(`a heading in a table of ${part} has no scope`);
    const columns = table.tHead.rows[0].cells.length;
    if ([...table.tBodies[0].rows].some((row) => row.cells.length !== columns)) fault(`a row of ${part} is not ${columns} cells long`);
    const number = table.querySelector('td.number');
    if (number && getComputedStyle(number).textAlign !== 'right') fault(`numbers of ${part} are not to the right`);
  }
  for (const [part, count] of Object.entries(expected)) {
    if (rows[part] !== count) fault(`the tables of ${part} have ${rows[part]} rows, the raw file ${count} cells`);
  }
  return { faults, plots: drawings.length, rows };
}

const profile = mkdtempSync(join(tmpdir(), 'ringway-page-'));
const browser = spawn(chromium, [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', `--user-data-dir=${profile}`, '--remote-debugging-pipe', 'about:blank',
], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
const [, , , orders, answers] = browser.stdio;

let last = 0;
let rest = '';
const waiting = new Map();
const requests = [];
let loaded = () => {};
const send = (method, params = {}, sessionId = undefined) =>
  new Promise((done, failed) => {
    waiting.set(++last, { done, failed });
    orders.write(JSON.stringify({ id: last, method, params, sessionId }) + '\0');
  });
answers.on('data', (data) => {
  const messages = (rest + data).split('\0');
  rest = messages.pop();
  for (const message of messages.map((text) => JSON.parse(text))) {
    const call = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error) call?.failed(new Error(message.error.message));
    else if (call) call.done(message.result);
    else if (message.method === 'Network.requestWillBeSent') requests.push(message.params.request.url);
    else if (message.method === 'Page.loadEventFired') loaded();
  }
});
browser.on('exit', (code) => waiting.forEach(({ failed }) => failed(new Error(`Chromium ended (${code})`))));
const alarm = setTimeout(() => { console.error('Chromium takes too long'); browser.kill('SIGKILL'); process.exitCode = 1; }, PATIENCE);

let faults = 0;
try {
  const url = pathToFileURL(resolve(page)).href;
  const expected = expectedRows(readFileSync(raw, 'utf8'));
  const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
  const tell = (method, params) => send(method, params, sessionId);
  await tell('Page.enable');
  await tell('Network.enable');
  await tell('Network.emulateNetworkConditions', { offline: true, latency: 0, downloadThroughput: 0, uploadThroughput: 0 });
  for (const screen of SCREENS) {
    for (const scheme of ['light', 'dark']) {
      await tell('Emulation.setDeviceMetricsOverride', { ...screen, deviceScaleFactor: 1 });
      await tell('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
      requests.length = 0;
      const ready = new Promise((done) => (loaded = done));
      await tell('Page.navigate', { url });
      await ready;
      const where = `${screen.width} x ${screen.height}, ${scheme}`;
      if (folder) {
        mkdirSync(folder, { recursive: true });
        const { data } = await tell('Page.captureScreenshot', { captureBeyondViewport: true });
        writeFileSync(join(folder, `${screen.width}-${scheme}.png`), Buffer.from(data, 'base64'));
      }
      const expression = `(${inspect})(${JSON.stringify(expected)})`;
      const { result, exceptionDetails } = await tell('Runtime.evaluate', { expression, returnByValue: true });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      const found = result.value.faults.concat(requests.filter((request) => request !== url).map((request) => `it asks for ${request}`));
      found.forEach((text) => console.error(`${where}: ${text}`));
      faults += found.length;
      console.log(`${where}: ${result.value.plots} plots, rows ${JSON.stringify(result.value.rows)}, ${found.length} faults`);
    }
  }
} catch (error) {
  console.error(`the page could not be looked at: ${error.message}`);
  faults += 1;
} finally {
  clearTimeout(alarm);
  const gone = new Promise((done) => browser.once('exit', done));
  if (browser.exitCode === null && browser.signalCode === null) {
    send('Browser.close').catch(() => {});
    const stubborn = setTimeout(() => browser.kill('SIGKILL'), 5_000);
    await gone;
    clearTimeout(stubborn);
  }
  rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}
if (faults) process.exitCode = 1;
