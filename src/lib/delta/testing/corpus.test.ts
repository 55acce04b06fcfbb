import { describeCorpus } from './corpus.contract.ts'

describeCorpus('the corpus of Delta tables, one table of each feature', {
  tables: 'one of each feature',
  sample: (versions) => versions.filter((_, at) => at === 0 || at === versions.length - 1),
  valuesOfConditions: 0,
})
