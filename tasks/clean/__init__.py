"""Clean: strip clutter from a copy of the page and account for every removal.

parse_tree gives the page's tree once; load_rules the rules in force; clean_page the article and the ledger.
"""

from tasks.clean.article import clean_page
from tasks.clean.parse import Tree, parse_tree
from tasks.clean.rule_files import load_rules
from tasks.clean.rules import RuleSet

__all__ = ["RuleSet", "Tree", "clean_page", "load_rules", "parse_tree"]
