# SPDX-License-Identifier: Apache-2.0
"""What fidelity.py installs: sets of trainers that lived at one time, pinned. Data only.

One environment for each set, and every prover runs in every environment: a prover that cannot work
with a set's versions leaves with 77 and says why. A set is skipped where its Python is missing.
"""

# Name: (Python, pins). Oldest first.
VERSION_SETS = {
    "2019": ("3.7", "scikit-learn==0.22.2.post1 xgboost==0.90 lightgbm==2.2.3 numpy==1.18.5 "
                    "scipy==1.4.1 joblib==0.14.1 pandas==1.0.5"),
    "2020": ("3.7", "scikit-learn==0.23.2 xgboost==1.0.2 lightgbm==2.3.1 numpy==1.18.5 "
                    "scipy==1.4.1 joblib==0.15.1 threadpoolctl==2.1.0 pandas==1.0.5"),
    "2021": ("3.8", "scikit-learn==0.24.2 xgboost==1.3.3 lightgbm==3.0.0 numpy==1.19.5 "
                    "scipy==1.6.3 joblib==1.0.1 threadpoolctl==2.2.0 pandas==1.2.5"),
    "2022": ("3.9", "scikit-learn==1.0.2 xgboost==1.5.2 lightgbm==3.2.1 numpy==1.21.6 "
                    "scipy==1.7.3 joblib==1.1.0 threadpoolctl==3.1.0 pandas==1.3.5"),
    "2023": ("3.11", "scikit-learn==1.2.2 xgboost==1.7.6 lightgbm==3.3.5 numpy==1.24.2 "
                     "scipy==1.10.1 joblib==1.2.0 threadpoolctl==3.1.0 pandas==1.5.3 "
                     "lz4==4.3.2"),
    "2024": ("3.11", "scikit-learn==1.4.2 xgboost-cpu==2.1.4 lightgbm==4.0.0 numpy==1.26.4 "
                     "scipy==1.13.0 joblib==1.3.2 threadpoolctl==3.5.0 pandas==2.2.2 "
                     "lz4==4.3.2"),
    "2025": ("3.13", "scikit-learn==1.6.1 xgboost-cpu==3.0.5 lightgbm==4.6.0 numpy==2.2.2 "
                     "scipy==1.15.1 joblib==1.4.2 threadpoolctl==3.5.0 pandas==2.2.3 "
                     "lz4==4.4.4"),
    "2026": ("3.13", "scikit-learn==1.9.1 xgboost-cpu==3.4.1 lightgbm==4.7.0 numpy==2.5.5 "
                     "scipy==1.18.1 joblib==1.6.0 threadpoolctl==3.8.0 pandas==3.1.1 "
                     "lz4==4.4.5"),
}

# The newest that other Pythons can install, best first; for --newest where 3.13 is missing.
NEWEST = {
    "2026": VERSION_SETS["2026"],
    "2026-py312": ("3.12", VERSION_SETS["2026"][1]),
    "2026-py311": ("3.11", "scikit-learn==1.9.1 xgboost-cpu==3.2.0 lightgbm==4.7.0 numpy==2.4.6 "
                           "scipy==1.17.1 joblib==1.6.0 threadpoolctl==3.8.0 pandas==3.1.1 "
                           "lz4==4.4.5"),
}
