import { describeCorpus } from './corpus.contract.ts'

describeCorpus('the corpus of Delta tables, at every version', {
  tables: 'all',
  sample: (versions) => versions,
  valuesOfConditions: 2,
})
