// The socket behind an interface, so that the connection can be tested without one.

/** What happens on a transport. */
export interface TransportEvents {
  /** The socket is open. */
  open(): void;
  /** A text or binary message came. */
  message(data: string | Uint8Array): void;
  /** The socket is gone or was never opened. Comes exactly once; nothing comes after it. */
  close(code: number): void;
}

export interface Transport {
  /** Hands a message to the socket. After the end it does nothing: the loss is reported by `close`. */
  send(data: string | Uint8Array): void;
  /** Ends the transport. The `close` event comes before this returns, even if the network is dead. */
  close(code: number): void;
}

/** Begins to open a transport and returns it at once. */
export type Dial = (events: TransportEvents) => Transport;

/** Opens the browser's WebSocket. */
export function webSocket(url: string): Dial {
  return (events) => {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    let over = false;
    const finish = (code: number): void => {
      if (over) return;
      over = true;
      events.close(code);
    };

    socket.onopen = () => {
      if (!over) events.open();
    };
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (!over) events.message(typeof data === "string" ? data : new Uint8Array(data));
    };
    socket.onclose = ({ code }) => finish(code);
    socket.onerror = () => {}; // close follows; without a listener some implementations throw

    return {
      send(data) {
        if (socket.readyState === WebSocket.OPEN) socket.send(data as string | Uint8Array<ArrayBuffer>);
      },
      close(code) {
        socket.close(code);
        finish(code);
      },
    };
  };
}
