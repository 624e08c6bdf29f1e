import { scenes } from './harness/suite.js';
import { uikitPage } from './harness/uikit.js';
import { hostile } from './scenarios/hostile.js';

const packages = { sdk: 'rtk-2.0.2', kit: 'rtk-react-ui-2.0.2' };
scenes('somebody who means harm', (host) => uikitPage(host, packages), hostile);
