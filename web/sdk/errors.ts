// What can go wrong, as types that a program can tell apart by `kind`.

/** The server understood the request and refused it; nothing was changed. `message` is the server's own sentence. */
export class RefusedError extends Error {
  readonly kind = "refused";
  override readonly name = "RefusedError";
}

/** An HTTP call (participant details, upload) was answered with a status other than success. */
export class HttpError extends Error {
  readonly kind = "http";
  override readonly name = "HttpError";

  constructor(
    message: string,
    /** The HTTP status, for example 401 for a token that is not, or no longer, valid. */
    readonly status: number,
  ) {
    super(message);
  }
}

/** The server could not be reached, and what was asked did not reach it: asking again is safe. */
export class UnreachableError extends Error {
  readonly kind = "unreachable";
  override readonly name = "UnreachableError";
}

/**
 * The request went out and no answer came back, because the connection broke or the time was up.
 * It may or may not have been carried out; after a reconnect the message list tells.
 */
export class UnconfirmedError extends Error {
  readonly kind = "unconfirmed";
  override readonly name = "UnconfirmedError";
}

/** Why a connection ended for good. */
export type CloseReason =
  /** `leave()` was called. */
  | "left"
  /** A host removed this participant. */
  | "kicked"
  /** The server ended the meeting for everybody. */
  | "ended"
  /** The token is not valid any more. */
  | "unauthorized"
  /** The first connection failed, so `join()` was rejected. */
  | "failed";

/** The meeting was left or has ended, and nothing can be asked any more. */
export class ClosedError extends Error {
  readonly kind = "closed";
  override readonly name = "ClosedError";

  constructor(
    message: string,
    readonly reason: CloseReason,
  ) {
    super(message);
  }
}

/** The server answered with something this client cannot read. */
export class ProtocolError extends Error {
  readonly kind = "protocol";
  override readonly name = "ProtocolError";
}

/** Every error that this package rejects with on purpose; switch on `kind`. */
export type ParleyError =
  | RefusedError
  | HttpError
  | UnreachableError
  | UnconfirmedError
  | ClosedError
  | ProtocolError;

/** Tells whether a caught value is one of this package's own errors. */
export function isParleyError(value: unknown): value is ParleyError {
  return (
    value instanceof RefusedError ||
    value instanceof HttpError ||
    value instanceof UnreachableError ||
    value instanceof UnconfirmedError ||
    value instanceof ClosedError ||
    value instanceof ProtocolError
  );
}
