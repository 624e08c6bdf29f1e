import { attachments } from './attachments.js';
import { change } from './change.js';
import { history } from './history.js';
import { join } from './join.js';
import { keepalive } from './keepalive.js';
import { network } from './network.js';
import { pin } from './pin.js';
import { privately } from './private.js';
import { reconnect } from './reconnect.js';
import { text } from './text.js';

/** Every subject. Those that mostly wait come first, so that the others are played meanwhile. */
export const subjects = [keepalive, reconnect, join, network, text, attachments, change, pin, privately, history];
