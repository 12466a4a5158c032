# SPDX-License-Identifier: Apache-2.0
"""Where answers may be further from the trainer's than 2 units in the last place behind exp, or
differ where others must be equal. proving.py counts by these names, fidelity_document.py shows the
counts under these texts. Standard library only.
"""

ULP_MAX = 2  # behind exp, log or pow, in the trainer's type
SUMMED_ULP_MAX = 64  # behind a sum of logarithms
SCIPY_SEEN = ("770", "8")  # numbers, units: in an environment of its own
SOFT_MAX = 0.25  # of a pipeline's answers, behind NumPy's functions

SUMMED = "Summed after a logarithm or a power"
START = "A first guess computed by SciPy"
COLUMNS = "Columns behind NumPy's log1p, expm1, exp and log"
TIES = "Ties within a link's error"
UNDEFINED = "Where the trainer has no answer"
BLURRED = "Categories that are rounded to be compared"
SCIPY = "A SciPy newer than scikit-learn"
UINT8 = "Categories beyond a byte, before scikit-learn 1.4"
OLD_SOFTMAX = "What XGBoost before 1.6 calls probabilities of multi:softmax"
LABELS = "Two classes that XGBoost takes for two labels"
INFINITE = "Infinities that a DMatrix refuses"

EXCEPTIONS = {
    SUMMED: """\
SAMME.R and a temperature add up logarithms; the margin of an IsolationForest is a power less a
constant. NumPy's functions are not the C library's, so each summand may have another last bit, and
a sum near 0 has small units: here differences are in units of the larger number, at least of 0.5,
those of an IsolationForest in units of its score. SAMME.R and temperatures are allowed %d of them,
an IsolationForest %d.""" % (SUMMED_ULP_MAX, ULP_MAX),
    START: """\
A GradientBoosting classifier starts from a logarithm of its classes' frequencies, which the file
does not hold, and which depends on the version of scikit-learn and of its SciPy. The converter
computes it as the SciPy of that version's time did; no file says which SciPy there was, and NumPy's
logarithm is not the C library's on every CPU. Here are the margins of those classifiers, which
begin with it. Allowed are %d units of the largest of the margin, its start and 1.""" % ULP_MAX,
    COLUMNS: """\
A FunctionTransformer's function of NumPy may have another last bit than the C library's. Here are
rows of float64, and of float32 exp and log of NumPy 1.18, which has the C library's; of float32 the
others, with exp and log of 1.19 to 2.5, are compared as all else is. A row whose value lies so near
to a threshold goes the other way and has another leaf's answer: what differs here differs wholly.
Allowed is a quarter of a pipeline's answers, since rows are made to lie beside thresholds.""",
    TIES: """\
Rows whose two greatest probabilities, which went through exp, are within %d units of each other but
not equal. The class is decided on them. Allowed is none: a class that differs is a finding.""" % (
        2 * ULP_MAX),
    BLURRED: """\
NumPy before 2 compares an array of float32 with one number in float32. So an encoder there takes a
float32 for a category of float64 that rounds to it, if it has fewer than about ten categories, or
few against the rows asked at once; the place that it then finds is that category's or the next
one's. NumPy 2 compares in float64, and so does Espalier: the row is refused, or has no known
category. Such rows are counted here and not compared.""",
    UNDEFINED: """\
Up to 1.6 OneVsRestClassifier divides 0 by 0 where no member says yes, and says NaN; 0 is what newer
versions and Espalier say.""",
    SCIPY: """\
SciPy 1.15 and later compute the logarithm of a sum of exponentials otherwise. Under scikit-learn
1.3 and older, which goes through it for the probabilities of a GradientBoosting classifier of
several classes, Espalier answers as with the SciPy of that time, as the sets below have it. With
scikit-learn 1.3.2 and SciPy 1.15.1 (`pip install scikit-learn==1.3.2 scipy==1.15.1 numpy==1.26.4`,
and `prove_exceptions.py` in there) %s of 4,000 numbers differ, by up to %s units.""" % SCIPY_SEEN,
    UINT8: """\
HistGradientBoosting converts a category to a byte: 256 is 0 there and -2 is 254 (from 1.2 on
negative numbers are missing), which C leaves open. Here such numbers are no category. Rows with
numbers 256 above and 256 below a category are counted here and not compared.""",
    OLD_SOFTMAX: """\
XGBClassifier of XGBoost before 1.6 with `multi:softmax` and two classes gives as probabilities
1 - c and c of the class c, 1.5 of a margin. Here they are the softmax of the margins, as from 1.6
on. (With more classes it trains `multi:softprob`.)""",
    LABELS: """\
XGBClassifier with `multi:softprob` and two classes has, from 1.6 on, a `predict` with two columns,
as of two labels a row. Here it is the class, as before.""",
    INFINITE: """\
From XGBoost 1.4 on a `DMatrix` refuses infinities that are not said to be missing, and
`inplace_predict`, by which estimators predict, takes them. A pickled Booster refuses them here as
there, and so does an estimator up to 1.7 that names a predictor; a model file, which any estimator
may load, answers as `inplace_predict` does. Here are infinite rows of such files, each of which
`Booster.predict` refuses, compared with `inplace_predict`.""",
}
