import http from 'node:http';
import { eventually } from './eventually.js';

/** Where an app is told of what happens in its meetings: a receiver of webhooks on this machine. */
export class Receiver {
  #listener;

  /** @type {any[]} bodies of what was delivered, in order */
  delivered = [];

  static async open() {
    const receiver = new Receiver();
    receiver.#listener = http.createServer((request, answer) => void receiver.#take(request, answer));
    await new Promise((resolve, reject) => {
      receiver.#listener.once('error', reject);
      receiver.#listener.listen(0, '127.0.0.1', resolve);
    });
    return receiver;
  }

  get url() {
    return `http://127.0.0.1:${this.#listener.address().port}/hook`;
  }

  /** Waits for a delivery, or finds one that has come already. */
  receives(what, isIt) {
    return eventually(`the app's server is told ${what}`, () => this.delivered.find(isIt));
  }

  async close() {
    this.#listener.closeAllConnections();
    await new Promise((resolve) => this.#listener.close(resolve));
  }

  async #take(request, answer) {
    const parts = [];
    for await (const part of request) parts.push(part);
    this.delivered.push(JSON.parse(Buffer.concat(parts).toString()));
    answer.writeHead(204).end();
  }
}
