import { suite } from './harness/suite.js';
import { subjects } from './scenarios/all.js';

suite({ package: 'rtk-2.0.2', major: 2 }, subjects);
