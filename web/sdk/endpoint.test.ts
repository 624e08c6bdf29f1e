import assert from "node:assert/strict";
import { test } from "node:test";
import { Endpoint } from "./endpoint.js";

const query = { meetingId: "m 1", peerId: "p", token: "eyJ+/=" };

test("http gives ws and https gives wss, on the same host and port", () => {
  assert.ok(new Endpoint("http://localhost:8080").socket(query).startsWith("ws://localhost:8080/ws?"));
  assert.ok(new Endpoint("https://chat.example.com").socket(query).startsWith("wss://chat.example.com/ws?"));
});

test("the socket's address carries meeting, peer and token intact", () => {
  const { searchParams } = new URL(new Endpoint("http://localhost:8080").socket(query));
  assert.deepEqual(Object.fromEntries(searchParams), {
    roomID: "m 1",
    peerID: "p",
    authToken: "eyJ+/=",
    ping: "true",
    capabilities: "2",
  });
});

test("a server mounted under a path is reached under it", () => {
  for (const url of ["https://example.com/chat", "https://example.com/chat/", "https://example.com/chat?x#y"]) {
    const endpoint = new Endpoint(url);
    assert.equal(endpoint.http("/v2/x"), "https://example.com/chat/v2/x");
    assert.ok(endpoint.socket(query).startsWith("wss://example.com/chat/ws?"));
    assert.equal(endpoint.resolve("https://api.example.com/v1/files/1/a"), "https://example.com/chat/v1/files/1/a");
  }
});

test("links to uploaded files lead to the server in use, with path and query as they are", () => {
  const endpoint = new Endpoint("http://localhost:8080");
  assert.equal(
    endpoint.resolve("https://api.example.com/v1/files/u-1/a%20b.png?sig=a%2Bb&exp=1"),
    "http://localhost:8080/v1/files/u-1/a%20b.png?sig=a%2Bb&exp=1",
  );
  assert.equal(
    endpoint.resolve("https://api.example.com:8443/v1/uploads/u-1?exp=1&sig=x"),
    "http://localhost:8080/v1/uploads/u-1?exp=1&sig=x",
  );
});

test("other web links stay as they are", () => {
  const endpoint = new Endpoint("http://localhost:8080");
  assert.equal(endpoint.resolve("https://store.example.com/bucket/a?b=c"), "https://store.example.com/bucket/a?b=c");
});

test("what is no web link becomes empty", () => {
  const endpoint = new Endpoint("http://localhost:8080");
  for (const link of ["javascript:alert(1)", "data:text/html,x", "file:///v1/files/1/a", "/v1/files/1/a", "", "x y"]) {
    assert.equal(endpoint.resolve(link), "", link);
  }
});

test("an address that is not http is refused at once", () => {
  for (const url of ["ws://localhost:8080", "localhost:8080", "", "file:///x"]) {
    assert.throws(() => new Endpoint(url), TypeError, url);
  }
});
