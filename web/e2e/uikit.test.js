import { scenes } from './harness/suite.js';
import { uikitPage } from './harness/uikit.js';
import { uikit } from './scenarios/uikit.js';

for (const packages of [
  { sdk: 'rtk-2.0.2', kit: 'rtk-react-ui-2.0.2' },
  { sdk: 'rtk-1.5.1', kit: 'rtk-react-ui-1.2.0' },
]) {
  scenes(`${packages.kit} with ${packages.sdk}`, (host) => uikitPage(host, packages), (scenario) => uikit(scenario, packages));
}
