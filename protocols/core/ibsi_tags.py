"""The tags of IBSI's features by family: the public list of names on which radiomic blocks stand.

The engine at a site defines the features (`site_node/features/radiomics`); a study and the center need their
names alone. `tests/unit/table/test_blocks.py` compares both.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

FamilyName = Literal[
    "morphology",
    "autocorrelation",
    "local_intensity",
    "intensity",
    "histogram",
    "ivh",
    "glcm",
    "glrlm",
    "glszm",
    "gldzm",
    "ngtdm",
    "ngldm",
]
Aggregation = Literal["2D_avg", "2D_comb", "2.5D_avg", "2.5D_comb", "3D_avg", "3D_comb"]

DIRECTIONAL: tuple[FamilyName, ...] = ("glcm", "glrlm")
"""Textures with a matrix for each direction; their tags end in the aggregation: `cm_contrast_3D_avg`."""

BY_DIMENSION: tuple[FamilyName, ...] = ("glszm", "gldzm", "ngtdm", "ngldm")
"""Textures whose tags end in the dimension alone: `szm_sze_3D`."""


def tags(family: FamilyName, aggregations: Sequence[Aggregation]) -> Iterator[str]:
    """The tags under which the features of a family are stored, in IBSI's order."""
    endings: Sequence[str] = ("",)
    if family in DIRECTIONAL:
        endings = [f"_{aggregation}" for aggregation in aggregations]
    elif family in BY_DIMENSION:
        endings = [f"_{one}" for one in dict.fromkeys(a.split("_")[0] for a in aggregations)]
    return (f"{tag}{ending}" for ending in endings for tag in FAMILIES[family])


FAMILIES: Mapping[FamilyName, tuple[str, ...]] = {
    "morphology": (
        "morph_volume",
        "morph_vol_approx",
        "morph_area_mesh",
        "morph_av",
        "morph_comp_1",
        "morph_comp_2",
        "morph_sph_dispr",
        "morph_sphericity",
        "morph_asphericity",
        "morph_com",
        "morph_diam",
        "morph_pca_maj_axis",
        "morph_pca_min_axis",
        "morph_pca_least_axis",
        "morph_pca_elongation",
        "morph_pca_flatness",
        "morph_vol_dens_aabb",
        "morph_area_dens_aabb",
        "morph_vol_dens_aee",
        "morph_area_dens_aee",
        "morph_vol_dens_conv_hull",
        "morph_area_dens_conv_hull",
        "morph_integ_int",
    ),
    "autocorrelation": (
        "morph_moran_i",
        "morph_geary_c",
    ),
    "local_intensity": (
        "loc_peak_loc",
        "loc_peak_glob",
    ),
    "intensity": (
        "stat_mean",
        "stat_var",
        "stat_skew",
        "stat_kurt",
        "stat_median",
        "stat_min",
        "stat_p10",
        "stat_p90",
        "stat_max",
        "stat_iqr",
        "stat_range",
        "stat_mad",
        "stat_rmad",
        "stat_medad",
        "stat_cov",
        "stat_qcod",
        "stat_energy",
        "stat_rms",
    ),
    "histogram": (
        "ih_mean",
        "ih_var",
        "ih_skew",
        "ih_kurt",
        "ih_median",
        "ih_min",
        "ih_p10",
        "ih_p90",
        "ih_max",
        "ih_mode",
        "ih_iqr",
        "ih_range",
        "ih_mad",
        "ih_rmad",
        "ih_medad",
        "ih_cov",
        "ih_qcod",
        "ih_entropy",
        "ih_uniformity",
        "ih_max_grad",
        "ih_max_grad_g",
        "ih_min_grad",
        "ih_min_grad_g",
    ),
    "ivh": (
        "ivh_v10",
        "ivh_v90",
        "ivh_i10",
        "ivh_i90",
        "ivh_diff_v10_v90",
        "ivh_diff_i10_i90",
    ),
    "glcm": (
        "cm_joint_max",
        "cm_joint_avg",
        "cm_joint_var",
        "cm_joint_entr",
        "cm_diff_avg",
        "cm_diff_var",
        "cm_diff_entr",
        "cm_sum_avg",
        "cm_sum_var",
        "cm_sum_entr",
        "cm_energy",
        "cm_contrast",
        "cm_dissimilarity",
        "cm_inv_diff",
        "cm_inv_diff_norm",
        "cm_inv_diff_mom",
        "cm_inv_diff_mom_norm",
        "cm_inv_var",
        "cm_corr",
        "cm_auto_corr",
        "cm_clust_tend",
        "cm_clust_shade",
        "cm_clust_prom",
        "cm_info_corr1",
        "cm_info_corr2",
    ),
    "glrlm": (
        "rlm_sre",
        "rlm_lre",
        "rlm_lgre",
        "rlm_hgre",
        "rlm_srlge",
        "rlm_srhge",
        "rlm_lrlge",
        "rlm_lrhge",
        "rlm_glnu",
        "rlm_glnu_norm",
        "rlm_rlnu",
        "rlm_rlnu_norm",
        "rlm_r_perc",
        "rlm_gl_var",
        "rlm_rl_var",
        "rlm_rl_entr",
    ),
    "glszm": (
        "szm_sze",
        "szm_lze",
        "szm_lgze",
        "szm_hgze",
        "szm_szlge",
        "szm_szhge",
        "szm_lzlge",
        "szm_lzhge",
        "szm_glnu",
        "szm_glnu_norm",
        "szm_zsnu",
        "szm_zsnu_norm",
        "szm_z_perc",
        "szm_gl_var",
        "szm_zs_var",
        "szm_zs_entr",
    ),
    "gldzm": (
        "dzm_sde",
        "dzm_lde",
        "dzm_lgze",
        "dzm_hgze",
        "dzm_sdlge",
        "dzm_sdhge",
        "dzm_ldlge",
        "dzm_ldhge",
        "dzm_glnu",
        "dzm_glnu_norm",
        "dzm_zdnu",
        "dzm_zdnu_norm",
        "dzm_z_perc",
        "dzm_gl_var",
        "dzm_zd_var",
        "dzm_zd_entr",
    ),
    "ngtdm": (
        "ngt_coarseness",
        "ngt_contrast",
        "ngt_busyness",
        "ngt_complexity",
        "ngt_strength",
    ),
    "ngldm": (
        "ngl_lde",
        "ngl_hde",
        "ngl_lgce",
        "ngl_hgce",
        "ngl_ldlge",
        "ngl_ldhge",
        "ngl_hdlge",
        "ngl_hdhge",
        "ngl_glnu",
        "ngl_glnu_norm",
        "ngl_dcnu",
        "ngl_dcnu_norm",
        "ngl_dc_perc",
        "ngl_gl_var",
        "ngl_dc_var",
        "ngl_dc_entr",
        "ngl_dc_energy",
    ),
}


@lru_cache(maxsize=1)
def feature_names() -> frozenset[str]:
    """All that a study may call a feature, in lower case: its tag, IBSI's code and IBSI's name."""
    lines = Path(__file__).with_name("ibsi_features.tsv").read_text().splitlines()
    return frozenset(name.casefold() for line in lines for name in line.split("\t") if name)


def is_feature(name: str) -> bool:
    """Whether a feature is called so, with or without how its matrices were aggregated.

    >>> is_feature("TU9B"), is_feature("cm_contrast_3D_avg"), is_feature("XXXX")
    (True, True, False)
    """
    endings = {f"_{one}".casefold() for one in (*get_args(Aggregation), "2D", "2.5D", "3D")}
    word = name.casefold()
    stems = {word, *(word.removesuffix(ending) for ending in endings)}
    return not stems.isdisjoint(feature_names())
