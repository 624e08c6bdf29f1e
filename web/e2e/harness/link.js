import net from 'node:net';

/**
 * A network path between browsers and a server that a test can cut and mend. Bytes pass unchanged, so TLS is end to end.
 */
export class Link {
  #listener;
  #sockets = new Set();
  #isCut = false;

  /** Opens a path to a port of this machine. */
  static async open(port) {
    const link = new Link();
    link.#listener = net.createServer((near) => link.#carry(near, port));
    await new Promise((resolve, reject) => {
      link.#listener.once('error', reject);
      link.#listener.listen(0, '127.0.0.1', resolve);
    });
    return link;
  }

  /** The port to connect to in place of the server's. */
  get port() {
    return this.#listener.address().port;
  }

  /** Breaks all connections without a word to either side's protocol, and lets no new one live. */
  cut() {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Lets new connections through again. */
  mend() {
    this.#isCut = false;
  }

  /** Breaks everything for good. */
  async close() {
    this.cut();
    await new Promise((resolve) => this.#listener.close(resolve));
  }

  #carry(near, port) {
    if (this.#isCut) {
      near.destroy();
      return;
    }
    const far = net.connect(port, '127.0.0.1');
    for (const [from, to] of [[near, far], [far, near]]) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}
