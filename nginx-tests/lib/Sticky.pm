# What every file begins with:
#
#   use Sticky;                        strict, warnings, Test::Nginx::Socket, and of this folder Client, Quiet, Servers and
#                                      VisitLines
#   use Sticky qw(Upstreams Visits);   and these of this folder besides
#
#   in_project(PATH)    a file of the project, wherever the test is run from
#   run_tests()         that of Test::Nginx, for blocks that may have a section "visits"
#
# Blocks are in the order in which they are written, long texts are compared by Test::More, "location /" is the block's
# own affair, and the log has what is said from [info] on. What a file says of these afterwards counts.

package Sticky;

use strict;
use warnings;

use File::Basename 'dirname';
use File::Spec;

my $project = dirname(File::Spec->rel2abs(__FILE__)) . '/../..';

sub in_project { my ($path) = @_; return "$project/$path" }

# The preprocessor that was added last runs first.
sub run_tests () {
    Test::Nginx::Util::add_block_preprocessor(\&VisitLines::visits_into_sections);
    return Test::Nginx::Util::run_tests();
}

sub import {
    my (undef, @modules) = @_;
    my $file = caller;
    strict->import;
    warnings->import;
    for my $module (q(Test::Nginx::Socket 'no_plan'), qw(Client Quiet Servers VisitLines), @modules) {
        # In the file's package, as if it were written there.
        eval "package $file; use $module; 1" or die $@;
    }
    {
        no strict 'refs';
        no warnings qw(redefine prototype);
        *{"${file}::in_project"} = \&in_project;
        *{"${file}::run_tests"} = \&run_tests;
    }
    Test::Nginx::Util::no_long_string();
    Test::Nginx::Util::no_root_location();
    Test::Nginx::Util::no_shuffle();
    Test::Nginx::Util::log_level('info');
    return;
}

1;
