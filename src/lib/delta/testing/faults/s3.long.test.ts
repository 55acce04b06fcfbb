import { describeS3Faults } from './s3.contract.ts'
import { s3Faults } from './s3.fixture.ts'

/** Each request meets two of the faults, the next one two others. */
describeS3Faults(['append', 'merge', 'checkpoint'], (request) =>
  [0, 1].map((each) => s3Faults[(2 * request + each) % s3Faults.length] ?? 'lost'),
)
