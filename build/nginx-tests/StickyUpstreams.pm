package StickyUpstreams;

# Adds session_sticky to every upstream { } in http { } of the configurations that nginx's tests write. With
# NGINX_TESTS_STICKY=1, nginx-tests.sh makes perl load it before each test.

use strict;
use warnings;

# After all modules of the test have been loaded, and before the test begins.
INIT {
    no warnings qw(once redefine);
    if (my $write_file = Test::Nginx->can('write_file')) {
        *Test::Nginx::write_file = sub {
            my ($self, $name, $content) = @_;
            return $write_file->($self, $name, $name =~ /\.conf$/ ? sticky($content) : $content);
        };
    }
}

sub sticky {
    my ($content) = @_;
    my $context = 'http';
    my $result = '';
    for (split /^/, $content) {
        $context = $1 if /^(http|stream|mail)\s*\{/;
        s/^(\s*upstream\s+\S+\s*\{)/$1 session_sticky;/ if $context eq 'http';
        $result .= $_;
    }
    # nginx and the module reject a second sticky directive in an upstream.
    $result =~ s/(upstream\s+\S+\s*\{) session_sticky;([^}]*\bsticky\s+\w)/$1$2/g;
    return $result;
}

1;
