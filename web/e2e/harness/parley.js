import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

/** How long a start or a stop may take, in milliseconds; a start makes keys and certificates. */
const PATIENCE = 20_000;

/** How many of the server's last log lines a failed test shows. */
const LOG_LINES = 40;

/** Numbers the logs of one process. */
let servers = 0;

/**
 * What `parley dev --json` prints once it is ready, as far as it is used here.
 *
 * @typedef {object} Info
 * @property {string} base_uri what an app gives to the SDK, such as "localhost:8443"
 * @property {string} api_url
 * @property {string} http_url
 * @property {string} rest_url the part before /accounts/
 * @property {string} v2_url the part before /meetings
 * @property {string} account_id
 * @property {string} app_id
 * @property {string} api_token
 * @property {string} ca_file
 */

/**
 * The real binary, run as `parley dev` in a process of its own, with a data directory of its own that goes with close().
 * After kill() or halt() it can be restarted on the same data and ports.
 */
export class Parley {
  #binary;
  #directory;
  #flags;
  #child;
  #ended;
  #log = [];
  #file;

  /** @type {Info} what the server says about itself */
  info;
  /** @type {string} the certificate authority it made, PEM */
  ca;
  /** @type {string[]} lines of its log that tell of an error: somebody must act, which no scenario expects */
  errors = [];

  constructor(binary, directory, flags) {
    this.#binary = binary;
    this.#directory = directory;
    this.#flags = flags;
  }

  /**
   * Starts a new server on free ports and waits until it is ready.
   *
   * Everything it logs, down to debug, is kept in a file: in the directory that PARLEY_E2E_LOGS names, else beside the
   * data, with which it goes.
   *
   * @param {string} binary where it is
   * @param {string[]} [flags] of `parley dev`, beside those set here
   */
  static async start(binary, flags = []) {
    const parley = new Parley(binary, await mkdtemp(path.join(tmpdir(), 'parley-e2e-')), flags);
    try {
      const logs = process.env.PARLEY_E2E_LOGS ?? parley.#directory;
      await mkdir(logs, { recursive: true });
      parley.#file = createWriteStream(path.join(logs, `parley-${process.pid}-${++servers}.log`), { flags: 'a' });
      await parley.#run(0, 0);
      return parley;
    } catch (error) {
      await parley.kill();
      parley.#file?.end();
      await rm(parley.#directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** The port of the HTTPS listener. */
  get httpsPort() {
    return portOf(this.info.api_url);
  }

  /** Ends the process as a crash does: at once, with nothing flushed and no connection closed politely. */
  async kill() {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
    await this.#ended;
  }

  /** Ends the process as an operator does, and checks that it ends in time and says that all is well. */
  async halt() {
    this.#child?.kill('SIGTERM');
    const status = await within(PATIENCE, this.#ended, () => `parley did not end after SIGTERM\n${this.log}`);
    if (this.#child && status !== 0) throw new Error(`parley ended with ${status}\n${this.log}`);
    this.#child = undefined;
  }

  /** Starts again after kill() or halt(), on the same data and ports. */
  async restart() {
    await this.#run(portOf(this.info.http_url), this.httpsPort);
  }

  /** Halts the process, if it runs, and removes its data. */
  async close() {
    try {
      await this.halt();
    } finally {
      await this.kill();
      this.#file.end();
      await rm(this.#directory, { recursive: true, force: true });
    }
  }

  /** The last lines the server logged. */
  get log() {
    return this.#log.join('\n');
  }

  async #run(httpPort, httpsPort) {
    const data = path.join(this.#directory, 'data');
    const ports = ['--http-port', String(httpPort), '--https-port', String(httpsPort)];
    const child = spawn(this.#binary, ['dev', '--json', '--data', data, '--log-level', 'debug', ...ports, ...this.#flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (status, signal) => resolve(status ?? signal));
    });
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.#file.write(`${line}\n`);
      if (/ level=ERROR |^panic: |^fatal error: /.test(line)) this.errors.push(line);
      this.#log.push(line);
      if (this.#log.length > LOG_LINES) this.#log.shift();
    });
    const output = createInterface({ input: child.stdout });
    const ready = new Promise((resolve) => output.once('line', resolve));
    const readyOrEnded = Promise.race([ready, this.#ended.then(() => undefined)]);
    const first = await within(PATIENCE, readyOrEnded, () => `parley is not ready\n${this.log}`);
    if (first === undefined) throw new Error(`parley ended before it was ready: ${await this.#ended}\n${this.log}`);
    this.info = JSON.parse(first);
    this.ca = await readFile(this.info.ca_file, 'utf8');
  }
}

function portOf(url) {
  return Number(new URL(url).port);
}

async function within(milliseconds, promise, message) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(message())), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
