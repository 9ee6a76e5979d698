# Clients that come from another system, in blocks of lib/Upstreams.pm: they bring the cookies that it has set.
#
#   mover_sections(TEXT, WORD => MEANING, ...)   as upstream_sections(TEXT), with several workers' master, and words of
#                              upstreams: SERVERS are A, B and C, whose ids are a, b and c, NO_IDS the same without ids
#   nobody_moves(PATH, OLD, NEW, COOKIE)   clients with these values of the cookie, a value or [VALUES] by server, stay where
#                              they are and get these new ones, patterns by server, with which they stay there too. The
#                              cookie is "route" without COOKIE
#   first_visits(PATH, VALUES)   clients with any of these are balanced over A, B and C, and get a cookie
#   scheme_of(UPSTREAM, VALUE)   how "explain" at /status says the value is read

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
    holds($visits >= keys %$new, "$path: clients of all servers");
    equals(join("\n", @wrong), '', "$path: nobody moves, and all are upgraded");
    return;
}

sub first_visits {
    my ($path, @values) = @_;
    for my $value (@values) {
        my @asked = map { visit($path, "route=$value", 1983) } 1 .. 3;
        my $shown = length $value > 60 ? substr($value, 0, 60) . '...' : $value;
        equals(join(' ', sort map { body($_) } @asked), 'A B C', "$path: '$shown' is a first visit");
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
