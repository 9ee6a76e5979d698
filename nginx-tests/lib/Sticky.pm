# The beginning of every file:
#
#   use Sticky;                        loads strict, warnings, Test::Nginx::Socket, and Client, Quiet, Servers and VisitLines of
#                                      this folder
#   use Sticky qw(Upstreams Visits);   loads also these modules of this folder
#
#   in_project(PATH)    the path of a file of the project, independent of the working directory
#   run_tests()         runs Test::Nginx's run_tests, and supports the section "visits"
#
# It also sets defaults, which a file can change: blocks run in the order of the file, Test::More compares long texts, there is
# no "location /" unless the block has one, and the log level is "info".

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
