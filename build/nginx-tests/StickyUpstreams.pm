package StickyUpstreams;

# Puts session_sticky into every upstream { } of http { } that nginx's tests write into a configuration.
# nginx-tests.sh has perl load it before the test, with NGINX_TESTS_STICKY=1.

use strict;
use warnings;

# When all that the test uses is loaded, and before the test begins.
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
    # nginx refuses a second stickiness in an upstream, and so does the module.
    $result =~ s/(upstream\s+\S+\s*\{) session_sticky;([^}]*\bsticky\s+\w)/$1$2/g;
    return $result;
}

1;
