// Where a Parley server is, and what its addresses look like.

/** The paths of files: to read and to write. */
const filePaths = ["/v1/files/", "/v1/uploads/"];

/**
 * The address of one server. Everything Parley offers is reached under it by path: the socket, the HTTP calls and the
 * uploaded files.
 */
export class Endpoint {
  readonly #base: URL;

  /** Takes an http or https URL, with a path if the server is mounted under one. Throws a TypeError otherwise. */
  constructor(url: string | URL) {
    this.#base = new URL(url);
    if (this.#base.protocol !== "http:" && this.#base.protocol !== "https:") {
      throw new TypeError(`the server's url must begin with http: or https:, not ${this.#base.protocol}`);
    }
    this.#base.pathname = this.#base.pathname.replace(/\/+$/, "");
    this.#base.search = "";
    this.#base.hash = "";
  }

  /** The address of an HTTP call; `path` begins with a slash. */
  http(path: string): string {
    return this.#base.href.replace(/\/$/, "") + path;
  }

  /** The address of the socket for one peer. */
  socket(query: { meetingId: string; peerId: string; token: string }): string {
    const url = new URL(this.http("/ws"));
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.search = new URLSearchParams({
      roomID: query.meetingId,
      peerID: query.peerId,
      authToken: query.token,
      ping: "true",
      capabilities: "2", // answers the keep-alive
    }).toString();
    return url.href;
  }

  /**
   * Turns a link from the server into one to use here. The server names its files under its public API host, which
   * need not resolve, or be trusted, where this client runs; the same path is served under the endpoint too. Links to
   * other places stay as they are. What is no http or https link at all becomes "".
   */
  resolve(link: string): string {
    let url: URL;
    try {
      url = new URL(link);
    } catch {
      return "";
    }
    if (url.protocol !== "http:" && url.protocol !== "https:") return "";
    const ours = filePaths.some((path) => url.pathname.startsWith(path));
    return ours ? this.http(url.pathname + url.search) : url.href;
  }
}
