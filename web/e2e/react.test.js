import { reactPage } from './harness/react.js';
import { scenes } from './harness/suite.js';
import { react } from './scenarios/react.js';

for (const packages of [
  { react: 'rtk-react-2.0.2', ui: 'rtk-react-ui-2.0.2', sdk: 'rtk-2.0.2' },
  { react: 'rtk-react-1.5.1', ui: 'rtk-react-ui-1.2.0', sdk: 'rtk-1.5.1' },
]) {
  scenes(packages.react, (host) => reactPage(host, packages), (scenario) => react(scenario, packages));
}
