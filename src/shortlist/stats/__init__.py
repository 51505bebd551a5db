"""Pure statistics, sources cited; a statistic that cannot be computed is an error or `None`, never a verdict.

samples       checks of what comes in, and scores by cluster and prompt
distributions Student's t and the beta distribution, without scipy
exact         Clopper-Pearson, and exact bounds for a mean of bounded scores
power         how much is needed, and what this much can show
intervals     one candidate's numbers: means, percentiles, shares, scores
paired        the difference between two candidates, or two runs
permutation   the difference between two groups of any shape
holm          many differences at once
equivalence   better, equivalent, worse or not told apart
outliers      named, never removed
"""
