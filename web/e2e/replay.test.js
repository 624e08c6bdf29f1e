import { scenes } from './harness/suite.js';
import { replay } from './scenarios/replay.js';

scenes('chat replay', (host) => host.sdkPage('rtk-2.0.2'), replay);
