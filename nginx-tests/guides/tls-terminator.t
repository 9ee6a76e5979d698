# docs/guides/tls-terminator.md: its file and commands, from a terminator and from elsewhere.

use Sticky qw(Guides Documents);

our $page = 'docs/guides/tls-terminator.md';

guide_sections($page, servers(qq[location / { return 200 "NAME \$http_x_forwarded_proto"; }\n], qw(A B)));

sub asked { my ($proto) = @_; return response(say_to_nginx("GET / HTTP/1.0\r\nHost: localhost\r\n" . ($proto ? "X-Forwarded-Proto: $proto\r\n" : '') . "\r\n", 1983)) }

run_tests();

__DATA__

=== the commands: not from a terminator
--- client
follow_transcript((transcripts($page))[0]);
equals(body(asked('https')) =~ s/^. //r, 'http', 'what the application is told');



=== from a terminator
--- but: 198.51.100.10  1; => 127.0.0.1  1;
--- client
follow_transcript((transcripts($page))[1]);
holds(set(asked('https')) =~ /^route=\w+; Path=\/; Secure; HttpOnly; SameSite=Lax$/, 'https: Secure');
equals(body(asked('https')) =~ s/^. //r, 'https', 'what the application is told');
for my $proto ('http', undef) {
    holds(set(asked($proto)) =~ /^route=\w+; Path=\/; HttpOnly; SameSite=Lax$/, ($proto // 'no header') . ': not Secure');
}



=== from a terminator, after another proxy
--- but
198.51.100.10  1; => 127.0.0.1  1;
"1 https" => "~^1 https(,|$)"
--- client
for my $proto ('https, http', 'https,http', 'https') {
    like(set(asked($proto)), qr/; Secure; /, "$proto: Secure");
}
for my $proto ('http, https', 'httpss', 'http') {
    unlike(set(asked($proto)), qr/; Secure; /, "$proto: not Secure");
}
equals(body(asked('https, http')) =~ s/^. //r, 'https', 'what the application is told');
