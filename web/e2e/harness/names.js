// For a process of its own, by --import: names below "localhost" lead to this machine, as they do in every browser.

import dns from 'node:dns';
import { lookup } from './loopback.js';

const others = dns.lookup;
dns.lookup = (name, options, answer) => (/(^|\.)localhost$/.test(name) ? lookup(name, options, answer) : others(name, options, answer));
