import { suite } from './harness/suite.js';
import { subjects } from './scenarios/all.js';

suite({ package: 'rtk-1.5.1', major: 1 }, subjects);
