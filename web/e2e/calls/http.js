import assert from 'node:assert/strict';

/**
 * What the SDK asks for by HTTP, by host and path, and whether it was answered well. Ada has joined, and has sent images
 * and files, when these are looked at.
 *
 * @type {import('./call.js').Calls}
 */
export const http = {
  'GET api /v2/internals/participant-details': asked('GET', 'api', /^\/v2\/internals\/participant-details$/),
  'POST api /v2/internals/rooms': asked('POST', 'api', /^\/v2\/internals\/rooms$/),
  'GET api /v2/plugins/user': asked('GET', 'api', /^\/v2\/plugins\/user$/),
  'GET api /iceservers': asked('GET', 'api', /^\/iceservers$/),
  'POST api /v2/meetings/chat-upload': asked('POST', 'api', /^\/v2\/meetings\/chat-upload$/),
  'POST api /v1/meetings/genPreSignedUploadUrl': asked('POST', 'api', /^\/v1\/meetings\/genPreSignedUploadUrl$/),
  'POST flags': asked('POST', 'flags', /^\/api\/v1\/identities\/$/),
  'GET location': asked('GET', 'location', /^\/$/),
  'POST da-collector': asked('POST', 'da-collector', /^\/api\/v1\/message$/),

  async 'no other HTTP'({ ada, stage }) {
    const asked = ada.answers.filter(({ url }) => url.protocol !== 'blob:');
    const known = /^(api|flags|location|da-collector|api-silos)\.localhost$|^localhost$/;
    assert.deepEqual(asked.filter(({ url, status }) => !known.test(url.hostname) || status >= 400), []);
    assert.ok(asked.some(({ url }) => url.host === `api.${stage.parley.info.base_uri}`));
  },
};

function asked(method, label, path) {
  return async ({ ada }) => {
    const found = ada.answers.filter(({ method: how, url }) => how === method && url.hostname === `${label}.localhost` && path.test(url.pathname));
    assert.ok(found.every(({ status }) => status >= 200 && status < 300), `${found.map(({ status }) => status)}`);
    return found.length > 0 ? 'yes' : '-';
  };
}
