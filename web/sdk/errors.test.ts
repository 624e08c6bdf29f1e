import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ClosedError,
  HttpError,
  isParleyError,
  ProtocolError,
  RefusedError,
  UnconfirmedError,
  UnreachableError,
} from "./errors.js";

test("every error of ours is known as one, and has a kind and a name of its own", () => {
  const errors = [
    new RefusedError("x"),
    new HttpError("x", 401),
    new UnreachableError("x"),
    new UnconfirmedError("x"),
    new ClosedError("x", "left"),
    new ProtocolError("x"),
  ];
  assert.ok(errors.every(isParleyError));
  assert.equal(new Set(errors.map(({ kind }) => kind)).size, errors.length);
  assert.equal(new Set(errors.map(({ name }) => name)).size, errors.length);
});

test("other errors are not", () => {
  for (const other of [new Error("x"), { kind: "refused" }, undefined, "x"]) assert.ok(!isParleyError(other));
});
