# Clients that come from another system with its cookies, in blocks of lib/Upstreams.pm.
#
#   mover_sections(TEXT, WORD => MEANING, ...)   as upstream_sections(TEXT), with a master process; each WORD in "upstreams" is
#                              replaced: SERVERS are A, B and C with the IDs a, b and c, NO_IDS the same without IDs
#   nobody_moves(PATH, OLD, NEW, COOKIE)   a test: clients whose cookie has one of the OLD values, a value or [VALUES] by
#                              server, stay on their server and get a cookie that matches the NEW pattern by server; with it,
#                              they stay as well. COOKIE is "route" by default
#   first_visits(PATH, VALUES)   a test: clients with any of these values are balanced over A, B and C, and get a cookie
#   scheme_of(UPSTREAM, VALUE)   the scheme that "explain" at /status reports for the value

package Movers;

use strict;
use warnings;

use Client;
use Exporter 'import';
use Test::Nginx::Socket ();
use Upstreams;

our @EXPORT = qw(mover_sections nobody_moves first_visits scheme_of);

sub mover_sections {
    my ($text, %meaning) = @_;
    %meaning = (
        SERVERS => 'server A: id=a; server B: id=b; server C: id=c;',
        NO_IDS  => 'server A:; server B:; server C:;',
        %meaning,
    );
    my $words = join '|', keys %meaning;
    Test::Nginx::Socket::master_on();
    client_sections();
    upstream_sections($text);
    Test::Nginx::Socket::add_block_preprocessor(sub {
        my ($block) = @_;
        $block->set_value(upstreams => $block->upstreams =~ s/\b($words)\b/$meaning{$1}/gr);
    });
    return;
}

sub nobody_moves {
    my ($path, $old, $new, $cookie) = @_;
    $cookie //= 'route';
    my ($visits, @wrong) = (0);
    for my $name (sort keys %$old) {
        for my $value (ref $old->{$name} ? @{$old->{$name}} : $old->{$name}) {
            my $response = visit($path, "a=1; $cookie=$value; b=2", 1983);
            my $bound = bound($response);
            my $upgraded = visit($path, "$cookie=$bound", 1983);
            push @wrong, "$value: " . body($response) . ", $bound, " . body($upgraded)
                if body($response) ne $name || $bound !~ /^(?:$new->{$name})$/ || body($upgraded) ne $name;
            $visits++;
        }
    }
    holds($visits >= keys %$new, "$path: there are clients of all servers");
    equals(join("\n", @wrong), '', "$path: no client moves, and all get the new value");
    return;
}

sub first_visits {
    my ($path, @values) = @_;
    for my $value (@values) {
        my @asked = map { visit($path, "route=$value", 1983) } 1 .. 3;
        my $shown = length $value > 60 ? substr($value, 0, 60) . '...' : $value;
        equals(join(' ', sort map { body($_) } @asked), 'A B C', "$path: a client with '$shown' is balanced");
        equals(scalar(grep { bound($_) ne '' } @asked), 3, "$path: '$shown' gets a cookie");
    }
    return;
}

sub scheme_of {
    my ($upstream, $value) = @_;
    my $url = $value =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ger;
    my ($scheme) = body(visit("/status/upstreams/$upstream/explain?value=$url", undef, 1983)) =~ /"scheme":\s*"(.*?)"/;
    return $scheme // '';
}

1;
