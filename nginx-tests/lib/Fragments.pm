# The nginx code blocks of documents, loaded unchanged. A block may be a part of a configuration.
#
#   fragments(PATH)   [LINE, TEXT] of each fenced nginx block of a document of the project
#   whole(TEXT)       the contents of an http block with TEXT: each directive is in the context that it needs. An upstream
#                     without servers gets two, and an upstream that a location passes to is added if it is missing

package Fragments;

use strict;
use warnings;

use Exporter 'import';
use Sticky ();
use Test::More ();

our @EXPORT = qw(fragments whole);

# The contexts of directives that blocks begin with. "server" with a block belongs to http.
my %context = (
    (map { $_ => 'http' } qw(geo log_format map proxy_cache_valid upstream)),
    (map { $_ => 'upstream' } qw(hash ip_hash keepalive least_conn random resolver server session_sticky sticky sticky_cookie_insert
                                 zone)),
    (map { $_ => 'server' } qw(access_log error_page location)),
    (map { $_ => 'location' } qw(add_header proxy_cache_key proxy_hide_header proxy_ignore_headers proxy_pass set)),
);

my $servers = "server 192.0.2.1:8080;\nserver 192.0.2.2:8080;\n";

sub fragments {
    my ($path) = @_;
    open my $file, '<:raw', Sticky::in_project($path) or Test::More::BAIL_OUT("$path: $!");
    my @found;
    while (my $line = readline $file) {
        if ($line =~ /^```nginx$/) {
            push @found, [$. + 1, ''];
            while (defined($line = readline $file) && $line !~ /^```$/) {
                $found[-1][1] .= $line;
            }
        }
    }
    return @found;
}

# The directives of TEXT, each with its block.
sub directives {
    my ($text) = @_;
    my @all;
    my ($directive, $depth) = ('', 0);
    while ($text =~ /\G(\s+|#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[{};]|[^\s{};"']+)/gc) {
        my $word = $1;
        next if $word =~ /^#/ || ($directive eq '' && $word !~ /\S/);
        $directive .= $word;
        $depth += ($word eq '{') - ($word eq '}');
        next if $depth || $word !~ /^[;}]$/;
        push @all, $directive;
        $directive = '';
    }
    Test::More::BAIL_OUT("not a configuration:\n$text") if $directive ne '' || (pos $text // 0) != length $text;
    return @all;
}

sub context_of {
    my ($directive) = @_;
    my ($name) = $directive =~ /^(\w+)/;
    return 'http' if $directive =~ /^server\s*\{/;
    return $context{$name // ''} // Test::More::BAIL_OUT("no context is known of:\n$directive");
}

sub whole {
    my ($text) = @_;
    my %in = map { $_ => '' } qw(http upstream server location);
    $in{context_of($_)} .= "$_\n" for directives($text);
    if ($in{upstream}) {
        my $own = $in{upstream} =~ /^server\s/m ? '' : $servers;
        $in{http} .= "upstream app {\n$own$in{upstream}}\n";
    }
    $in{server} .= "location / {\n$in{location}}\n" if $in{location};
    $in{http} .= "server {\nlisten 80;\n$in{server}}\n" if $in{server};
    my %there = map { $_ => 1 } $in{http} =~ /^upstream (\w+)/mg;
    my @missing = grep { !$there{$_}++ } $in{http} =~ m{_pass \w+://(\w+);}g;
    return join '', $in{http}, map { "upstream $_ {\n${servers}session_sticky;\n}\n" } @missing;
}

1;
